import { AppError } from '../../domain/errors.ts'
import type { ColumnRole, SampleFields, SuggestedColumn, Suggestion } from '../connector.ts'
import { object, text } from '../values.ts'
import { suggestColumns } from './columns.ts'

/**
 * Each role with its field. What was chosen before stays, also where the sample has no such field: then the role is
 * shown without one.
 */
export function suggestRoles(
  roles: readonly ColumnRole[],
  names: readonly string[],
  chosen: unknown,
): { columns: SuggestedColumn[]; mapping: Record<string, string> } {
  const before = Object.fromEntries(
    Object.entries(object(chosen)).flatMap(([id, name]) => (text(name) ? [[id, text(name) as string]] : [])),
  )
  const mapping = { ...suggestColumns(roles, names), ...before }
  const columns = roles.map((role) =>
    before[role.id] === undefined
      ? { ...wordsOf(role), column: mapping[role.id] ?? null }
      : { ...wordsOf(role), ...named(before[role.id] as string, names) },
  )
  return { columns, mapping }
}

/** Of a kind whose columns have names of their own: which of them the sample has. */
export const suggestFixed = (
  roles: readonly ColumnRole[],
  expected: Readonly<Record<string, string>>,
  { names }: SampleFields,
): Suggestion => ({
  columns: roles.flatMap((role) => {
    const name = expected[role.id]
    return name === undefined ? [] : [{ ...wordsOf(role), ...named(name, names) }]
  }),
  settings: {},
})

/** For kinds that read tables alone. Throws file_unreadable. */
export function delimitedOnly({ format }: SampleFields): void {
  if (format === 'delimited') return
  throw new AppError('file_unreadable', 'the sample is JSON', { fix: 'Export the file as CSV, with a header line.' })
}

/** A role may say more that only its kind needs. */
export const wordsOf = ({ id, title, required, meaning }: ColumnRole) => ({ id, title, required, meaning })

const named = (expected: string, names: readonly string[]) => ({
  column: names.find((name) => name.toLowerCase() === expected.toLowerCase()) ?? null,
  expected,
})
