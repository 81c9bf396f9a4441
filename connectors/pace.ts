/** Waits before each request so that no more than so many a second begin; undefined = never waits. */
export function paced(requestsPerSecond: number | undefined): () => Promise<void> {
  if (requestsPerSecond === undefined) return async () => {}
  const every = 1_000 / requestsPerSecond
  let next = 0
  return async () => {
    const now = Date.now()
    const at = Math.max(now, next)
    next = at + every
    if (at > now) await new Promise((resolve) => setTimeout(resolve, at - now))
  }
}
