import type { Activity } from '../../domain/signal.ts'
import { type Json, number, text } from '../values.ts'

/** What one workload says of an act beyond who did it and when. */
export type Told = Pick<
  Activity,
  'verb' | 'object' | 'container' | 'sizeBytes' | 'itemCount' | 'audienceAfter' | 'destinationIsExternal'
> & {
  outcome?: Activity['outcome']
  flags?: readonly string[]
}

/** A number, or one written as text: records that were exported once have those. */
export const count = (value: unknown): number | undefined => {
  const found = number(value) ?? (/^\d{1,15}$/.test(text(value) ?? '') ? Number(value) : undefined)
  return found === undefined || found < 0 ? undefined : found
}

export const isTrue = (value: unknown): boolean => value === true || text(value)?.toLowerCase() === 'true'

/** Lists of `{ Name, Value }`, as records of admins have them; values of any type. */
export function pairsOf(value: unknown): [name: string, value: unknown][] {
  const pairs = Array.isArray(value) ? value : []
  return pairs.flatMap((pair: unknown): [string, unknown][] => {
    const { Name, Value } = (pair ?? {}) as Json
    return typeof Name === 'string' ? [[Name, Value]] : []
  })
}

/** Members that the record has; what is absent is left out. */
export const present = <T extends object>(members: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never
