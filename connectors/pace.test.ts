import { expect, test } from 'vitest'
import { paced } from './pace.ts'

async function elapsed(requestsPerSecond: number | undefined, requests: number): Promise<number> {
  const next = paced(requestsPerSecond)
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: requests }, next))
  return performance.now() - startedAt
}

test('no more than so many requests begin in a second, the first at once', async () => {
  // 20 intervals of 20 ms; a timer may be a millisecond early.
  expect(await elapsed(50, 21)).toBeGreaterThan(380)
  expect(await elapsed(50, 1)).toBeLessThan(20)
})

test('without a limit nothing waits', async () => {
  expect(await elapsed(undefined, 1_000)).toBeLessThan(50)
})
