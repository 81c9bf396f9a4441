const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345'
const SHORT = /^[a-zA-Z0-9]{15}$/
const LONG = /^[a-zA-Z0-9]{18}$/

/**
 * The form of an id that survives a change of case: 15 characters tell upper from lower case, three more say which are
 * upper. Undefined for what is no id.
 */
export function longId(id: string | undefined): string | undefined {
  if (id === undefined || LONG.test(id)) return id
  if (!SHORT.test(id)) return undefined
  let suffix = ''
  for (let from = 0; from < 15; from += 5) {
    let bits = 0
    for (let at = 0; at < 5; at += 1) if (/[A-Z]/.test(id[from + at] as string)) bits |= 1 << at
    suffix += LETTERS[bits]
  }
  return id + suffix
}

/** The first id of an object of this kind in an address: reports begin with `00O`. */
export const idIn = (uri: string | undefined, prefix: string): string | undefined =>
  uri === undefined
    ? undefined
    : new RegExp(`(?<![a-zA-Z0-9])${prefix}[a-zA-Z0-9]{12}(?:[a-zA-Z0-9]{3})?(?![a-zA-Z0-9])`).exec(uri)?.[0]
