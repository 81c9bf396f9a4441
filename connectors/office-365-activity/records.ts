import type { SourceRecord } from '../connector.ts'
import { isObject, type Json, text } from '../values.ts'

/** Marks the second of two records: what an act makes true of an account, beside who did it. */
export const TELLS = 'openirmTells'
/** Matched text with what surrounds it: the very secrets that a DLP rule protects. */
const MATCHED_TEXT = 'SensitiveInformationDetections'
const ON_ACCOUNTS = new Set(['delete user', 'restore user'])

/** `Delete user.` → `delete user`: whether the full stop is there differs from record to record. */
export const plainName = (operation: string): string => operation.replace(/\.$/, '').toLowerCase()

/**
 * The records of a blob as they are stored: without matched text, and the deletion of an account twice, as the act of an
 * admin and as a fact about whose account it was.
 */
export const recordsOf = (blob: readonly unknown[]): SourceRecord[] =>
  blob
    .map(withoutMatchedText)
    .flatMap((record) => (tellsOfAccount(record) ? [record, { ...record, [TELLS]: 'account' }] : [record]))
    .map((record, index) => ({ line: index + 1, record }))

const tellsOfAccount = (record: unknown): record is Json =>
  isObject(record) && ON_ACCOUNTS.has(plainName(text(record['Operation']) ?? ''))

function withoutMatchedText(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutMatchedText)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== MATCHED_TEXT)
      .map(([name, member]) => [name, withoutMatchedText(member)]),
  )
}
