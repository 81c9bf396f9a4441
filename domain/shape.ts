/**
 * Only the form of a value: letters become `x`, digits `9`, the rest stays. A rejected row may name somebody who is not
 * known yet, whom no look-up could mask; its form still shows what is wrong with a date or an address. Names of columns
 * and fields stay.
 */
export function shapeOf(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll(/\p{L}|\p{M}/gu, 'x').replaceAll(/\p{N}/gu, '9')
  if (typeof value === 'number' || typeof value === 'bigint') return String(value).replaceAll(/[0-9]/g, '9')
  if (Array.isArray(value)) return value.map(shapeOf)
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, shapeOf(member)]))
  }
  return value ?? null
}
