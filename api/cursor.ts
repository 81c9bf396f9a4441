import { timingSafeEqual } from 'node:crypto'
import type { PageRequest } from '../db/queries/paging.ts'
import type { Vault } from '../db/vault.ts'
import { canonicalJson } from '../domain/canonical.ts'
import { AppError } from '../domain/errors.ts'

const SIGNATURE_BYTES = 16
export const DEFAULT_LIMIT = 50

/** Which list a cursor belongs to: an operation with its filters. */
export const listName = (operation: string, params: object, query: Record<string, unknown>): string => {
  const { cursor: _, limit: __, ...filters } = query
  return `${operation} ${canonicalJson({ ...params, ...filters })}`
}

/** Opaque and signed: a cursor is good for the list it came from and cannot be made up. */
export function writeCursor(vault: Vault, list: string, next: readonly (string | number)[] | null): string | null {
  if (next === null) return null
  const key = Buffer.from(JSON.stringify(next))
  return Buffer.concat([signature(vault, list, key), key]).toString('base64url')
}

/** Throws cursor_invalid. */
export function readCursor(vault: Vault, list: string, cursor: string | undefined): PageRequest['after'] {
  if (cursor === undefined) return null
  const bytes = Buffer.from(cursor, 'base64url')
  const key = bytes.subarray(SIGNATURE_BYTES)
  if (
    bytes.length <= SIGNATURE_BYTES ||
    !timingSafeEqual(bytes.subarray(0, SIGNATURE_BYTES), signature(vault, list, key))
  ) {
    throw new AppError('cursor_invalid', 'the cursor does not belong to this list with these filters', {
      field: 'cursor',
      fix: 'Begin without a cursor, and keep the filters while paging.',
    })
  }
  return JSON.parse(key.toString()) as (string | number)[]
}

const signature = (vault: Vault, list: string, key: Buffer): Buffer =>
  vault.lookupKey('cursor', `${list}\u001f${key.toString('base64')}`).subarray(0, SIGNATURE_BYTES)
