const DIGIT = 16
const DIGITS = 1 << DIGIT
/** Fewer rows are compared with each other: going through all digits once takes as long. */
const FEW = 4_096

/**
 * The order of rows by identity, then instant; equal ones keep theirs. Both are whole. By their digits
 * (a radix sort), for comparing tens of thousands of them would cost as much as all else that is done to a row.
 */
export function orderByKey(identities: Float64Array, instants: Float64Array, count: number, few = FEW): Uint32Array {
  let order = new Uint32Array(count)
  for (let n = 0; n < count; n += 1) order[n] = n
  if (count < few) {
    const difference = (keys: Float64Array, a: number, b: number) => (keys[a] as number) - (keys[b] as number)
    return order.sort((a, b) => difference(identities, a, b) || difference(instants, a, b) || a - b)
  }
  let other = new Uint32Array(count)
  for (const keys of [instants, identities]) {
    let least = Number.POSITIVE_INFINITY
    let most = Number.NEGATIVE_INFINITY
    for (let n = 0; n < count; n += 1) {
      const key = keys[n] as number
      if (key < least) least = key
      if (key > most) most = key
    }
    for (let unit = 1; count > 0 && Math.floor((most - least) / unit) > 0; unit *= DIGITS) {
      sortByDigit(keys, least, unit, order, other)
      const sorted = other
      other = order
      order = sorted
    }
  }
  return order
}

function sortByDigit(keys: Float64Array, least: number, unit: number, from: Uint32Array, to: Uint32Array): void {
  const starts = new Uint32Array(DIGITS + 1)
  const digit = (row: number) => Math.floor(((keys[row] as number) - least) / unit) & (DIGITS - 1)
  for (let n = 0; n < from.length; n += 1) (starts[digit(from[n] as number) + 1] as number) += 1
  for (let n = 1; n <= DIGITS; n += 1) (starts[n] as number) += starts[n - 1] as number
  for (let n = 0; n < from.length; n += 1) {
    const row = from[n] as number
    const at = digit(row)
    to[starts[at] as number] = row
    ;(starts[at] as number) += 1
  }
}
