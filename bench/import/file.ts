import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { finished } from 'node:stream/promises'

/** What is in a generated file, besides good rows. */
export const VARIANTS = ['clean', 'dirty', 'shuffled'] as const
export type Variant = (typeof VARIANTS)[number]

export interface GeneratedFile {
  path: string
  bytes: number
  rows: number
  /** Rows that have to be quarantined. */
  bad: number
  /** Rows that say again what an earlier one said. */
  repeated: number
  /** Columns of a table that takes the file as it is, with the event's id as its key. */
  table: string
}

export const HEADER = 'event_id,user,timestamp,action,object,bytes,ip,label'
export const LOG_TABLE = `event_id uuid primary key, "user" text not null, "timestamp" timestamptz not null,
  action text not null, object text not null, bytes bigint not null, ip inet not null, label text not null`
const PEOPLE = 20_000
const OBJECTS = 400_000
const DAYS = 10
const FIRST = Date.parse('2026-03-02T00:00:00Z')
const ACTIONS = ['FileDownloaded', 'FileViewed', 'FileModified', 'FileDeleted', 'FileUploaded', 'FileShared'] as const
const GIVEN = ['anna', 'søren', 'mehmet', 'ingrid', 'paul', 'zoë', 'li', 'ravi', 'marta', 'jürgen']
const FOLDERS = ['finance/reports', 'engineering/design', 'sales/offers', 'legal/contracts', 'hr/reviews']
const LABELS = ['Public', 'Internal', 'Confidential', 'Highly confidential']
const BAD_SHARE = 0.005
const REPEATED_SHARE = 0.01

/** Uniform in [0, 1), the same for the same seed on every machine (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Writes a log of `rows` activities of 20,000 people over ten days, in order of time but for `shuffled`; `dirty` has
 * half a percent of bad rows of five kinds and one percent of repetitions. About 168 bytes a row.
 */
export async function generate(path: string, rows: number, variant: Variant, seed = 1): Promise<GeneratedFile> {
  const random = seeded(seed)
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T
  let bad = 0
  let repeated = 0
  let earlier = ''
  const bytes = await writeLines(path, HEADER, rows, (row) => {
    const share = variant === 'shuffled' ? random() : row / rows
    const cells = rowAt(random, pick, FIRST + share * DAYS * 86_400_000 + random() * 60_000)
    const line = cells.join(',')
    if (variant === 'dirty' && random() < BAD_SHARE) {
      bad += 1
      return spoiled(bad - 1, cells)
    }
    if (variant === 'dirty' && random() < REPEATED_SHARE && earlier !== '') {
      repeated += 1
      return earlier
    }
    if (random() < 0.01) earlier = line
    return line
  })
  return { path, bytes, rows, bad, repeated, table: LOG_TABLE }
}

/** Writes a header and so many lines as a stream; returns the bytes. */
export async function writeLines(
  path: string,
  header: string,
  rows: number,
  lineAt: (row: number) => string,
): Promise<number> {
  const out = createWriteStream(path)
  let text = `${header}\n`
  for (let row = 0; row < rows; row += 1) {
    text += `${lineAt(row)}\n`
    if (text.length > 1 << 20) {
      if (!out.write(text)) await once(out, 'drain')
      text = ''
    }
  }
  out.end(text)
  await finished(out)
  return (await stat(path)).size
}

function rowAt(random: () => number, pick: <T>(all: readonly T[]) => T, at: number): string[] {
  const person = Math.floor(random() * PEOPLE)
  const given = GIVEN[person % GIVEN.length] as string
  const number = Math.floor(random() * OBJECTS)
  const name = `/sites/${FOLDERS[number % FOLDERS.length]}/2026/quarter-${(number % 4) + 1}/document-${number}`
  const object = random() < 0.05 ? `"${name}, ""final"" copy.xlsx"` : `${name}.xlsx`
  // Most work comes from a place of one's own, some from anywhere.
  const place = random() < 0.9 ? person : Math.floor(random() * 2 ** 24)
  return [
    uuidFrom(random),
    `${given}.employee-${person}@example.com`,
    new Date(at).toISOString(),
    pick(ACTIONS),
    object,
    String(Math.floor(random() ** 4 * 50_000_000)),
    `${(place % 180) + 20}.${(place >> 16) & 255}.${(place >> 8) & 255}.${place & 255}`,
    pick(LABELS),
  ]
}

export function uuidFrom(random: () => number): string {
  const hex = Array.from({ length: 4 }, () =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0'),
  ).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
}

/** Five kinds of bad rows in turn: the mapping or the reader has to reject each. */
function spoiled(turn: number, cells: string[]): string {
  const [id, user, at, action, object, bytes, ip, label] = cells
  switch (turn % 5) {
    case 0:
      return [id, 'nobody', at, action, object, bytes, ip, label].join(',')
    case 1:
      return [id, user, '2026-02-30T10:00:00Z', action, object, bytes, ip, label].join(',')
    case 2:
      return [id, user, at, action, object, 'many', ip, label].join(',')
    case 3:
      return [id, user, at, action, object, bytes, ip].join(',')
    default:
      return [id, user, at, action, `a"${turn}"b`, bytes, ip, label].join(',')
  }
}
