import type { components } from '../../openapi/generated/types.ts'
import type { Screen } from '../terminal.ts'

type Import = components['schemas']['Import']
type Rejected = components['schemas']['QuarantinedRow']

/** The balance, and why it stopped where it did. */
export function showImport(name: string, row: Import, { say, complain }: Screen): void {
  const { received, stored, duplicate, quarantined, ignored } = row
  say(
    `${name}: ${row.state}: ${received} received = ${stored} stored + ${duplicate} duplicate + ${quarantined} quarantined + ${ignored} ignored`,
  )
  if (row.zoneAssumed > 0)
    say(`  ${row.zoneAssumed} rows had dates without a time zone; the connector's own was assumed`)
  if (row.error) complain(`  ${row.error.code}: ${row.error.detail}${row.error.fix ? `\n  ${row.error.fix}` : ''}`)
}

/** Rejected rows by line, cell and code, in the order of the file; what stood in them is not shown. */
export function showRejects(name: string, row: Import, rejected: readonly Rejected[], { say }: Screen): void {
  if (rejected.length === 0) {
    say(`  the ${row.quarantined} quarantined rows were corrected or given up since`)
    return
  }
  for (const { line, cell, code, expected } of rejected.toSorted((a, b) => a.line - b.line)) {
    say(
      `  ${name}:${line}${cell === null ? '' : ` "${cell}"`}: ${code}${expected === null ? '' : `, expected ${expected}`}`,
    )
  }
  if (rejected.length < row.quarantined) say(`  … ${row.quarantined - rejected.length} more`)
  say(
    '  Correct the mapping and re-drive them, or correct these rows and import the file again: stored rows do not double.',
  )
}
