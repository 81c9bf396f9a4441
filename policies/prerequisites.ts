import { sql } from 'kysely'
import type { Connection } from '../db/connection.ts'
import { verdictsOfKind } from '../db/prerequisites.ts'
import { flagsOfChoice } from '../domain/dlp-policy.ts'
import { type CheckResult, type PrerequisiteWords, VERDICTS, type Verdict } from '../domain/prerequisite.ts'

/** Conditions of policy templates: what has to be true of the signals together, whichever connector brings them. */
export interface PolicyPrerequisite<V extends Verdict = Verdict> extends PrerequisiteWords<V> {
  guide: string
  /** Templates that ask for it. */
  templates: readonly string[]
  /** `dlpPolicies`: those of data loss prevention that the policy's triggers are narrowed to; any where empty. */
  check(input: { db: Connection; now: Date; dlpPolicies: readonly string[] }): Promise<CheckResult<NoInfer<V>>>
}

/** A check that answers what is not among its verdicts does not compile. */
const declared = <const V extends Verdict>(prerequisite: PolicyPrerequisite<V>): PolicyPrerequisite => prerequisite

const GUIDE = 'docs/guides/health-of-sources.md'
const DAY_MS = 86_400_000
const PROFILE_DAYS = { fresh: 30, stale: 90 }
/** Share of profiles with an address, from which on neighbours and families can be told. */
const ADDRESS_SHARE = { enough: 0.8, some: 0.5 }
const DLP_DAYS = 90

const all: readonly PolicyPrerequisite[] = [
  declared({
    id: 'profiles-fresh',
    title: 'HR profiles are current',
    guide: GUIDE,
    anchor: 'profiles',
    verdicts: ['met', 'warning', 'unmet'],
    templates: ['patient-data-misuse'],
    steps: ['Send the employee profiles of the HR system at least once a month.'],
    blind: 'Records of family, neighbours and colleagues who joined or moved since.',
    async check({ db, now }) {
      const { at } = await db
        .selectFrom('import')
        .innerJoin('fact', 'fact.import_id', 'import.id')
        .select((eb) => eb.fn.max('import.finished_at').as('at'))
        .where('fact.kind', '=', 'employee_profile')
        .executeTakeFirstOrThrow()
      if (at === null) return { state: 'unmet', code: 'no_profiles', detail: 'No employee profile was ever imported.' }
      const days = Math.floor((now.getTime() - at.getTime()) / DAY_MS)
      const detail = `The newest profiles came ${days} days ago.`
      if (days <= PROFILE_DAYS.fresh) return { state: 'met', code: 'profiles_fresh', detail }
      return days <= PROFILE_DAYS.stale
        ? { state: 'warning', code: 'profiles_ageing', detail }
        : { state: 'unmet', code: 'profiles_stale', detail }
    },
  }),
  declared({
    id: 'profile-addresses',
    title: 'HR profiles carry addresses',
    guide: GUIDE,
    anchor: 'addresses',
    verdicts: ['met', 'warning', 'unmet'],
    templates: ['patient-data-misuse'],
    steps: ['Map street, number and postal code of the employee profile.'],
    blind: 'Records of neighbours, and of family members with another name.',
    async check({ db }) {
      const { people, withAddress } = await db
        .selectFrom('profile_key')
        .select((eb) => [eb.fn.countAll<number>().as('people'), eb.fn.count<number>('address_key').as('withAddress')])
        // A directory's profile has no name to compare, and never an address.
        .where('name_key', 'is not', null)
        .executeTakeFirstOrThrow()
      if (people === 0) return { state: 'unmet', code: 'no_profiles', detail: 'No employee profile was ever imported.' }
      const share = withAddress / people
      const detail = `${Math.floor(share * 100)} % of ${people} profiles have an address.`
      if (share >= ADDRESS_SHARE.enough) return { state: 'met', code: 'addresses_known', detail }
      return share >= ADDRESS_SHARE.some
        ? { state: 'warning', code: 'addresses_partly', detail }
        : { state: 'unmet', code: 'addresses_missing', detail }
    },
  }),
  declared({
    id: 'dlp-raises-high',
    title: 'A DLP policy raises findings of high severity',
    guide: GUIDE,
    anchor: 'dlp',
    verdicts: ['met', 'warning', 'unknown'],
    templates: ['data-leaks', 'data-leaks-priority-users', 'data-leaks-risky-users'],
    address: 'https://purview.microsoft.com/datalossprevention',
    steps: ['In the DLP policy let a rule send incident reports with severity High.'],
    blind: 'Leaks that only data loss prevention recognises: they no longer open a window.',
    async check({ db, now, dlpPolicies }) {
      const { findings, high } = await db
        .selectFrom('activity')
        .select((eb) => [
          eb.fn.countAll<number>().as('findings'),
          sql<number>`count(*) filter (where severity = 'high')`.as('high'),
        ])
        .where('category', '=', 'dlp')
        .where('at', '>=', new Date(now.getTime() - DLP_DAYS * DAY_MS))
        .where(ofPolicies(dlpPolicies))
        .executeTakeFirstOrThrow()
      const whose = dlpPolicies.length > 0 ? ' of the chosen DLP policies' : ''
      if (Number(high) > 0)
        return { state: 'met', code: 'high_seen', detail: `${high} high findings${whose} within ${DLP_DAYS} days.` }
      return Number(findings) > 0
        ? {
            state: 'warning',
            code: 'none_high',
            detail: `${findings} findings${whose} within ${DLP_DAYS} days, none of them high.`,
          }
        : {
            state: 'unknown',
            code: 'no_findings',
            detail: `No DLP finding${whose} within ${DLP_DAYS} days: attest that a rule raises high ones.`,
          }
    },
  }),
  declared({
    id: 'defender-plan',
    title: 'Defender for Endpoint is licensed',
    guide: 'docs/guides/microsoft-graph-alerts.md',
    anchor: 'licences',
    verdicts: ['met', 'warning', 'unmet', 'unknown'],
    templates: [
      'security-policy-violations',
      'security-policy-violations-departing-users',
      'security-policy-violations-priority-users',
      'security-policy-violations-risky-users',
    ],
    blind: 'Everything that only Defender for Endpoint sees.',
    async check({ db }) {
      const found = await verdictsOfKind(db, 'microsoft-graph-alerts', 'defender-plan')
      // One tenant that is licensed sees; the best verdict stands.
      const [best] = found.sort((a, b) => VERDICTS.indexOf(a.state) - VERDICTS.indexOf(b.state))
      return (
        best ?? {
          state: 'unmet',
          code: 'no_connector',
          detail: 'No connector reads Microsoft security alerts.',
        }
      )
    },
  }),
]

const ofPolicies = (chosen: readonly string[]) =>
  chosen.length === 0 ? sql<boolean>`true` : sql<boolean>`flags && ${flagsOfChoice(chosen)}::text[]`

/** What a template asks for. */
export const policyPrerequisites = (template: string): readonly PolicyPrerequisite[] =>
  all.filter(({ templates }) => templates.includes(template))
