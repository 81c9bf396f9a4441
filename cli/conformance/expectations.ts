import type { Outcome, Rig } from './rig.ts'

/** What is wrong, in words for the connector's author; nothing when all is well. */
export type Problems = string[]

export const unless = (holds: boolean, problem: string): Problems => (holds ? [] : [problem])

/** Every one of these events is stored, exactly once. */
export async function storedOnce(rig: Rig, markers: readonly string[]): Promise<Problems> {
  const stored = await rig.stored()
  const missing = markers.filter((marker) => !stored.has(marker))
  const twice = markers.filter((marker) => (stored.get(marker) ?? 0) > 1)
  return [
    ...unless(missing.length === 0, `${missing.length} of ${markers.length} events were never stored`),
    ...unless(twice.length === 0, `${twice.length} of ${markers.length} events were stored more than once`),
  ]
}

export const completed = (outcome: Outcome): Problems =>
  unless(outcome.state === 'completed', `the import ended with ${outcome.code} after ${outcome.attempts} attempts`)

/** The import stopped for good, with one of these codes, after at most so many requests. */
export function stopped(outcome: Outcome, codes: readonly string[], requests: number, most: number): Problems {
  return [
    ...unless(outcome.state === 'failed', 'the import went on although the source refuses it'),
    ...unless(
      outcome.state !== 'failed' || codes.includes(outcome.code ?? ''),
      `it stopped with ${outcome.code}; expected ${codes.join(' or ')}`,
    ),
    ...unless(
      outcome.attempts === 1,
      `it was tried ${outcome.attempts} times; what somebody has to mend is not tried again`,
    ),
    ...unless(requests <= most, `${requests} requests were sent to a source that refuses them; at most ${most}`),
  ]
}
