import { z } from 'zod'
import { AppError } from '../../domain/errors.ts'
import type { SampleFields } from '../connector.ts'
import { ADDRESS } from './columns.ts'
import { readDelimited, SEPARATORS } from './delimited.ts'
import { readJsonRecords } from './json-records.ts'
import { beginsAsJson, ENCODINGS } from './text.ts'

/** Records of JSON that are looked at for their paths, how deep, and how many names are told at most. */
const RECORDS = 50
const MAX_DEPTH = 5
const MAX_NAMES = 500
/** Longer ones can be mapped by no setting. */
const MAX_NAME_CHARACTERS = 200
/** What numbers and instants are written with. */
const FIGURES = /^[\d.,:/TZ+\s-]+$/
/** Stands in a row and not above it. */
const isValue = (cell: string): boolean => ADDRESS.test(cell) || (/\d/.test(cell) && FIGURES.test(cell))

/** As far as the admin has set them, settings that do not fit being none. */
const dialectOf = z.object({
  separator: z.enum(SEPARATORS).catch('auto'),
  encoding: z.enum(ENCODINGS).catch('auto'),
})

/**
 * The names of a sample's fields. They are told and kept as they are: a first line of values, which may be somebody's,
 * is refused, and a name that is an address is left out.
 * Throws file_empty, file_header_missing, file_header_duplicate, file_unreadable, body_too_large.
 */
export async function sampleFields(
  open: () => AsyncIterable<Uint8Array>,
  settings: Readonly<Record<string, unknown>>,
): Promise<SampleFields> {
  const dialect = dialectOf.parse({ separator: 'auto', encoding: 'auto', ...settings })
  if (await beginsAsJson(open(), dialect.encoding)) {
    const names = new Set<string>()
    let seen = 0
    for await (const { record } of await readJsonRecords(open(), dialect)) {
      collect(record, '', 1, names)
      seen += 1
      if (seen >= RECORDS) break
    }
    return { format: 'json', names: tellable([...names]) }
  }
  const { header, records } = await readDelimited(open(), dialect)
  // Begun, so that the file is closed.
  for await (const _ of records) break
  if (header.some(isValue)) {
    throw new AppError('file_header_missing', 'the first line has values where names of columns are expected', {
      fix: 'Put the column names into the first line.',
    })
  }
  return { format: 'delimited', names: tellable(header) }
}

const tellable = (names: readonly string[]): string[] =>
  names.filter((name) => name !== '' && name.length <= MAX_NAME_CHARACTERS && !ADDRESS.test(name)).slice(0, MAX_NAMES)

/** Paths of what is no object; of a list those of its first element. */
function collect(value: unknown, path: string, depth: number, into: Set<string>): void {
  if (typeof value !== 'object' || value === null) {
    if (path !== '') into.add(path)
    return
  }
  if (depth > MAX_DEPTH || into.size > MAX_NAMES) return
  for (const [name, each] of Array.isArray(value) ? [['0', value[0]] as const] : Object.entries(value))
    collect(each, path === '' ? name : `${path}.${name}`, depth + 1, into)
}
