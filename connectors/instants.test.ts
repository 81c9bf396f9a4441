import { expect, test } from 'vitest'
import { instantOf, toSeconds } from './instants.ts'

test.each([
  ['2026-11-20T09:03:11Z', '2026-11-20T09:03:11.000Z'],
  ['2026-11-20T09:03:11.123Z', '2026-11-20T09:03:11.123Z'],
  ['2026-11-20T09:14:01.7654321Z', '2026-11-20T09:14:01.765Z'],
  ['2026-11-20T09:11:00.25Z', '2026-11-20T09:11:00.250Z'],
  ['2026-11-20T01:03:11-08:00', '2026-11-20T09:03:11.000Z'],
  ['2026-11-20T13:02:44.000+0000', '2026-11-20T13:02:44.000Z'],
  ['2026-11-20T14:33:11+05:30', '2026-11-20T09:03:11.000Z'],
  ['20261120090311.123', '2026-11-20T09:03:11.123Z'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
])('reads %s', (written, instant) => {
  expect(instantOf(written)?.toISOString()).toBe(instant)
})

test.each(['', 'soon', '2026-02-30T00:00:00Z', '2026-13-01T00:00:00Z', '2026-11-20T24:30:00Z', 1763629391123, null])(
  'refuses %s',
  (written) => {
    expect(instantOf(written)).toBeNull()
  },
)

test('a time without a zone is one only where the source says which', () => {
  expect(instantOf('2026-11-20T03:03:11')).toBeNull()
  expect(instantOf('2026-11-20T03:03:11', { assume: 'UTC' })?.toISOString()).toBe('2026-11-20T03:03:11.000Z')
})

test('writes whole seconds', () => {
  expect(toSeconds(new Date('2026-11-20T09:03:11.987Z'))).toBe('2026-11-20T09:03:11Z')
})
