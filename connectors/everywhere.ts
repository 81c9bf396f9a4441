import { formOf } from '../domain/form.ts'
import { untilItEnds } from '../domain/prerequisite.ts'
import { isLate, isSilent, rhythmOf } from '../domain/rhythm.ts'
import { type ConnectorDefinition, type Prerequisite, type PrerequisiteInput, prerequisiteFor } from './connector.ts'
import { judged } from './judged.ts'

/** Prerequisites that every kind has, after its own. */

const GUIDE = 'docs/guides/health-of-sources.md'

/** Clocks this far apart are as good as equal; further apart, events of the newest minutes are missed or met twice. */
const SKEW_SECONDS = 60
const WORST_SKEW_SECONDS = 300

const prerequisite = prerequisiteFor<unknown>()

const rhythm = prerequisite({
  id: 'rhythm',
  title: 'Data comes in its usual rhythm',
  guide: GUIDE,
  anchor: 'rhythm',
  verdicts: ['met', 'warning', 'unmet', 'unknown'],
  when: 'after',
  onUnmet: 'warn',
  blind: 'Whatever happened at the source since its data stopped coming.',
  steps: ['Look at the newest imports of the connector.', 'Ask at the source whether it still records and delivers.'],
  async check({ history, now }) {
    const { ageHours, usualHours } = rhythmOf(history.arrivals, now)
    if (ageHours === null) return { state: 'unknown', code: 'never_arrived', detail: 'Nothing has come yet.' }
    const age = `The newest data came ${Math.floor(ageHours)} hours ago`
    if (usualHours === null)
      return { state: 'unknown', code: 'rhythm_unknown', detail: `${age}; what is usual is known after two weeks.` }
    const usual = `${age}; at this hour of the week it is usually at most ${Math.ceil(usualHours)} hours old.`
    if (isSilent(ageHours, usualHours)) return { state: 'unmet', code: 'silent', detail: usual }
    if (isLate(ageHours, usualHours)) return { state: 'warning', code: 'later_than_usual', detail: usual }
    return { state: 'met', code: 'in_rhythm', detail: usual }
  },
})

const clock = prerequisite({
  id: 'clock',
  title: 'The clocks here and at the source agree',
  guide: GUIDE,
  anchor: 'clock',
  verdicts: ['met', 'warning', 'unmet', 'unknown'],
  when: 'before',
  onUnmet: 'warn',
  blind: 'Events of the newest minutes, until a later import finds them.',
  steps: ['Let this machine set its clock by NTP.'],
  async check({ access: { aheadMs } }) {
    if (aheadMs === null)
      return { state: 'unknown', code: 'no_answer_yet', detail: 'The source has not told its time yet.' }
    const seconds = Math.round(Math.abs(aheadMs) / 1000)
    const detail = `The source's clock is ${seconds} seconds ${aheadMs < 0 ? 'behind' : 'ahead of'} ours.`
    if (seconds <= SKEW_SECONDS)
      return { state: 'met', code: 'clocks_agree', detail: 'The clocks agree within a minute.' }
    return seconds <= WORST_SKEW_SECONDS
      ? { state: 'warning', code: 'clocks_apart', detail }
      : { state: 'unmet', code: 'clocks_far_apart', detail }
  },
})

const CREDENTIAL_END = {
  id: 'credential-end',
  title: 'The credential lasts',
  guide: GUIDE,
  anchor: 'credential-end',
  when: 'before',
  onUnmet: 'warn',
  blind: 'Everything the connector reads, from the day the credential ends.',
  steps: ['Make a new credential at the source and enter it before the old one ends.'],
} as const

const END_UNKNOWN = {
  state: 'unknown',
  code: 'end_unknown',
  detail: 'The source does not tell when the credential ends: attest it until that day.',
} as const

const credentialEnd = ({ credentialEnd: ask }: ConnectorDefinition): Prerequisite<unknown> =>
  ask
    ? prerequisite({
        ...CREDENTIAL_END,
        verdicts: ['met', 'warning', 'unmet', 'unknown'],
        check: (input: PrerequisiteInput<unknown>) =>
          judged(async () => {
            const end = await ask(input)
            return end === null ? END_UNKNOWN : untilItEnds('The credential', end, input.now)
          }),
      })
    : prerequisite({ ...CREDENTIAL_END, verdicts: ['unknown'], check: async () => END_UNKNOWN })

/** All prerequisites of a kind. Its own come first, so that theirs have talked to the source before the clock is asked. */
export const prerequisitesOf = (kind: ConnectorDefinition): readonly Prerequisite<any>[] => [
  ...kind.prerequisites,
  ...(kind.delivery === 'pull' ? [clock] : []),
  ...(kind.delivery === 'pull' && formOf(kind.config).secrets.length > 0 ? [credentialEnd(kind)] : []),
  rhythm,
]
