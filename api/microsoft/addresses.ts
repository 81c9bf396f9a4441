/** What a request of a script asks for. */
export type Place =
  /** A token for the tenant of the path. */
  | { kind: 'token'; tenant: string }
  /** The upload of a block. */
  | { kind: 'upload'; takes: 'csv' | 'json' }

const TOKEN = /^(?:\/[^/]+)*?\/([^/]+)\/oauth2\/token\/?$/i
const UPLOAD = /^(?:\/[^/]+)*?\/api\/signals(\/hr\/termination\/csv|\/physicalbadging)?\/?$/i

/**
 * The place of a request target; null where no script calls. A base address that ends in a slash makes the scripts send
 * a double one, and a base with a path of its own puts that before ours.
 */
export function placeOf(target: string): Place | null {
  const path = pathOf(target)
  const token = TOKEN.exec(path)
  if (token) return { kind: 'token', tenant: token[1] as string }
  const upload = UPLOAD.exec(path)
  if (!upload) return null
  return { kind: 'upload', takes: upload[1]?.toLowerCase() === '/physicalbadging' ? 'json' : 'csv' }
}

// `new URL` would take what follows a double slash for the host.
const pathOf = (target: string): string => (target.split('?', 1)[0] as string).replaceAll(/\/{2,}/g, '/')

/** The job id of an upload; the query's keys are compared without case. */
export function jobOf(target: string): string | null {
  const at = target.indexOf('?')
  if (at < 0) return null
  for (const [key, value] of new URLSearchParams(target.slice(at + 1))) {
    if (key.trim().toLowerCase() === 'jobid') return value.trim()
  }
  return null
}
