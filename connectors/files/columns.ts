import { AppError } from '../../domain/errors.ts'
import type { ColumnRole } from '../connector.ts'

/** Throws file_header_missing where a mapped column is not in the file: nothing of it is stored then. */
export function requireColumns(header: readonly string[], mapped: readonly string[]): void {
  const present = new Set(header.map((name) => name.toLowerCase()))
  const missing = [...new Set(mapped)].filter((name) => !present.has(name.toLowerCase()))
  if (missing.length === 0) return
  throw new AppError('file_header_missing', `the file lacks mapped columns: ${missing.join(', ')}`, {
    field: missing[0] as string,
    fix: 'Add the columns to the file, or correct the mapping.',
  })
}

/** The mapping that a sample's fields suggest; roles without a likely one are left out. */
export function suggestColumns(roles: readonly ColumnRole[], names: readonly string[]): Record<string, string> {
  const columns: Record<string, string> = {}
  for (const role of roles) {
    const means = (part: string) => role.suggests.includes(part.toLowerCase().replace(/[\s_.-]/g, ''))
    // `actor.email` may be meant by all of its name or, where nothing is, by its last part.
    const found = names.find(means) ?? names.find((name) => means(name.slice(name.lastIndexOf('.') + 1)))
    if (found) columns[role.id] = found
  }
  return columns
}

/** Local part, @, a domain with a dot; blanks and a second @ are not an address. Any script is. */
export const ADDRESS = /^[^\s@,;"<>]+@[^\s@,;"<>.]+(\.[^\s@,;"<>.]+)+$/u
