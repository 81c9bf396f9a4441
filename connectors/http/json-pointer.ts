import { isObject } from '../values.ts'

/** A pointer is empty, or begins with a slash; `~` stands only in `~0` and `~1`. */
export const JSON_POINTER = /^(?:\/(?:[^~]|~[01])*)?$/

/** What a JSON pointer (RFC 6901) leads to; undefined where it leads nowhere. The empty one is the whole value. */
export function pointed(value: unknown, pointer: string): unknown {
  let at = value
  for (const step of pointer.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(at)) at = /^(?:0|[1-9]\d*)$/.test(name) ? at[Number(name)] : undefined
    else if (isObject(at) && Object.hasOwn(at, name)) at = at[name]
    else return undefined
  }
  return at
}
