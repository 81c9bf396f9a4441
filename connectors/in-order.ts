/** Works ahead on so many items at once and yields what came of them in their order; what failed fails in its place. */
export async function* inOrder<T, R>(
  items: readonly T[],
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = []
  let next = 0
  try {
    while (next < items.length || begun.length > 0) {
      while (next < items.length && begun.length < ahead) {
        const under = work(items[next] as T)
        // Its failure is met in its turn; until then it must not end the process.
        under.catch(() => {})
        begun.push(under)
        next += 1
      }
      const result = await (begun[0] as Promise<R>)
      begun.shift()
      yield result
    }
  } finally {
    await Promise.allSettled(begun)
  }
}
