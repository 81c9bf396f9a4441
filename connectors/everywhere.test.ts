import { expect, test } from 'vitest'
import { openAccess } from './access.ts'
import { NO_HISTORY, type PrerequisiteInput } from './connector.ts'
import { prerequisitesOf } from './everywhere.ts'
import { connectorKind, connectorKinds } from './kinds.ts'

const HOUR = 3_600_000
const NOW = new Date('2026-03-11T12:00:00Z')
const S3 = connectorKind('amazon-s3')

const input = (more: Partial<PrerequisiteInput<unknown>> = {}): PrerequisiteInput<unknown> => ({
  config: {},
  now: NOW,
  history: NO_HISTORY,
  signal: AbortSignal.timeout(5_000),
  access: openAccess(),
  ...more,
})
async function verdict(id: string, given: PrerequisiteInput<unknown>, kind = S3): Promise<string | undefined> {
  const found = await prerequisitesOf(kind)
    .find((each) => each.id === id)
    ?.check(given)
  return found && `${found.state} ${found.code}`
}

test('every kind has a rhythm; pulled ones a clock, and an end of their credential', () => {
  for (const kind of connectorKinds.values()) {
    const ids = prerequisitesOf(kind).map(({ id }) => id)
    expect(new Set(ids).size, kind.id).toBe(ids.length)
    expect(ids, kind.id).toContain('rhythm')
    expect(ids.includes('clock'), kind.id).toBe(kind.delivery === 'pull')
  }
})

/** Hourly for four weeks until so many hours ago. */
const hourly = (ago: number) =>
  Array.from({ length: 28 * 24 }, (_, hour) => new Date(NOW.getTime() - (ago + hour) * HOUR))

test.each([
  [hourly(1), 'met in_rhythm'],
  [hourly(5), 'warning later_than_usual'],
  [hourly(40), 'unmet silent'],
  [hourly(1).slice(0, 100), 'unknown rhythm_unknown'],
  [[], 'unknown never_arrived'],
])('rhythm %#', async (arrivals, expected) => {
  expect(await verdict('rhythm', input({ history: { ...NO_HISTORY, arrivals } }))).toBe(expected)
})

test.each([
  [null, 'unknown no_answer_yet'],
  [59_000, 'met clocks_agree'],
  [-59_000, 'met clocks_agree'],
  [200_000, 'warning clocks_apart'],
  [-301_000, 'unmet clocks_far_apart'],
])('a clock that is %s ms ahead', async (aheadMs, expected) => {
  expect(await verdict('clock', input({ access: { ...openAccess(), aheadMs } }))).toBe(expected)
})

test.each([
  [null, 'unknown end_unknown'],
  [200, 'met lasts'],
  [20, 'warning ends_within_30_days'],
  [-1, 'unmet ended'],
])('a credential that ends in %s days', async (days, expected) => {
  const end = days === null ? null : new Date(NOW.getTime() + days * 24 * HOUR)
  expect(await verdict('credential-end', input(), { ...S3, credentialEnd: async () => end })).toBe(expected)
})
