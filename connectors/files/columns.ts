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

/** The mapping that a sample's headers suggest; roles without a likely header are left out. */
export function suggestColumns(roles: readonly ColumnRole[], header: readonly string[]): Record<string, string> {
  const columns: Record<string, string> = {}
  for (const role of roles) {
    const found = header.find((name) => role.suggests.includes(name.toLowerCase().replace(/[\s_-]/g, '')))
    if (found) columns[role.id] = found
  }
  return columns
}

/** Local part, @, a domain with a dot; blanks and a second @ are not an address. Any script is. */
export const ADDRESS = /^[^\s@,;"<>]+@[^\s@,;"<>.]+(\.[^\s@,;"<>.]+)+$/u
