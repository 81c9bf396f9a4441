import { viewOf } from './binary.ts'

type Numbers = Float64Array | Int32Array | Uint32Array | Uint16Array | Uint8Array

/** The same numbers, with room for so many. */
export function grown<A extends Numbers>(from: A, size: number): A {
  const to = new (from.constructor as new (size: number) => A)(size)
  to.set(from)
  return to
}

/** The same bytes, with room for so many; of a view of all its memory. */
export const grownView = (from: DataView, bytes: number): DataView => viewOf(grown(new Uint8Array(from.buffer), bytes))
