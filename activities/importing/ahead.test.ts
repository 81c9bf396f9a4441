import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { ReadAhead } from './ahead.ts'

test('so many parts are read ahead of whoever takes them, in order', async () => {
  let made = 0
  await using ahead = new ReadAhead(
    (async function* () {
      while (made < 20) yield ++made
    })(),
    2,
  )
  await vi.waitFor(() => expect(made).toBeGreaterThanOrEqual(2))
  await sleep(20)
  // The one asked for, those that wait, and the one in the hand of the reader.
  expect(made).toBeLessThanOrEqual(4)
  const taken: number[] = []
  for (let part = await ahead.take(); part !== undefined; part = await ahead.take()) taken.push(part)
  expect(taken).toEqual(Array.from({ length: 20 }, (_, n) => n + 1))
  expect(await ahead.take()).toBeUndefined()
})

test('a part that is ready stays the next one, and one that is late is not waited for', async () => {
  await using ahead = new ReadAhead(
    (async function* () {
      yield 'first'
      await sleep(300)
      yield 'second'
    })(),
    2,
  )
  expect(await ahead.ready(10_000)).toBe('first')
  expect(await ahead.ready(10_000)).toBe('first')
  expect(await ahead.take()).toBe('first')
  expect(await ahead.ready(1)).toBeUndefined()
  expect(await ahead.take()).toBe('second')
  expect(await ahead.ready(10_000)).toBeUndefined()
})

test('a fault is told behind the parts that were read before it, to whoever takes', async () => {
  await using ahead = new ReadAhead(
    (async function* () {
      yield 1
      yield 2
      throw new Error('the source is gone')
    })(),
    2,
  )
  await sleep(20)
  expect([await ahead.take(), await ahead.take()]).toEqual([1, 2])
  expect(await ahead.ready(10_000)).toBeUndefined()
  await expect(ahead.take()).rejects.toThrow('the source is gone')
})

test('who stops taking ends the reading and waits for its end', async () => {
  let ended = false
  {
    await using ahead = new ReadAhead(
      (async function* () {
        try {
          for (let n = 0; ; n += 1) {
            yield n
            await sleep(5)
          }
        } finally {
          await sleep(20)
          ended = true
        }
      })(),
      2,
    )
    expect(await ahead.take()).toBe(0)
  }
  expect(ended).toBe(true)
})
