import { afterEach, expect, test, vi } from 'vitest'
import { paced } from './pace.ts'

afterEach(() => {
  vi.useRealTimers()
})

test('no more than so many requests begin in a second, the first at once', async () => {
  const next = paced(50)
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: 21 }, next))
  // 20 intervals of 20 ms; a timer may be a millisecond early.
  expect(performance.now() - startedAt).toBeGreaterThan(380)

  // On a clock that stands still nothing that waits would end.
  vi.useFakeTimers()
  await paced(50)()
})

test('without a limit nothing waits', async () => {
  vi.useFakeTimers()
  await Promise.all(Array.from({ length: 1_000 }, paced(undefined)))
})
