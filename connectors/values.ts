/** Reading values out of JSON that may have any shape: what is not of the type asked for is absent. */

export type Json = Record<string, unknown>

/** The members of an object; of anything else, none. */
export const object = (value: unknown): Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Json) : {}

export const isObject = (value: unknown): value is Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value)

/** A text that is not empty. */
export const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

export const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined

/** A text, or a number written as one: ids that vendors send either way. */
export const idText = (value: unknown): string | undefined =>
  text(value) ?? (number(value) === undefined ? undefined : String(value))

export const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

const ADDRESS = /^[^\s@/]+@[^\s@/]+\.[^\s@/]+$/

/** True for what looks like a UPN or an e-mail address. */
export const isAddress = (value: string): boolean => ADDRESS.test(value)
