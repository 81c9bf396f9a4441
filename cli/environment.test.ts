import { expect, test } from 'vitest'
import { countIn } from './environment.ts'

test('a count is a whole number within its limits, or is not set', () => {
  const of = (text: string | undefined) => countIn({ COUNT: text }, 'COUNT', 500)
  expect([of(undefined), of(''), of('1'), of('500')]).toEqual([undefined, undefined, 1, 500])
  for (const text of ['0', '501', '-3', '1.5', 'many', 'Infinity'])
    expect(() => of(text), text).toThrow(expect.objectContaining({ code: 'settings_invalid', field: 'COUNT' }))
})
