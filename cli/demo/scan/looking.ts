import type { Needles } from './needles.ts'

export interface Hit {
  surface: string
  place: string
  what: string
}

export interface SurfaceTotal {
  surface: string
  /** Bodies, histories, tables, files. */
  items: number
  bytes: number
  hits: number
}

/** Hits that are kept with their places; further ones are counted. */
const SHOWN = 200

/** Collects what a scan looked at and found. */
export class Looking {
  readonly totals = new Map<string, SurfaceTotal>()
  readonly hits: Hit[] = []
  readonly #needles: Needles

  constructor(needles: Needles) {
    this.#needles = needles
  }

  /** Takes pieces of one item of a surface; they are searched as one stream. */
  at(surface: string, place: string): (piece: Uint8Array | string) => void {
    const total = this.totals.get(surface) ?? { surface, items: 0, bytes: 0, hits: 0 }
    this.totals.set(surface, total)
    total.items += 1
    const search = this.#needles.search()
    return (piece) => {
      const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
      total.bytes += bytes.length
      for (const { what, offset } of search(bytes)) {
        total.hits += 1
        if (this.hits.length < SHOWN) this.hits.push({ surface, place: `${place}, byte ${offset}`, what })
      }
    }
  }
}
