import { v7 as uuid } from 'uuid'
import { evaluatePolicy } from '../../activities/evaluation.ts'
import { createKeyRing } from '../../db/keyring.ts'
import { OFFICE_APP, type Office, startOffice365 } from '../../sandbox/office-365-activity.ts'
import type { Random } from '../../sandbox/organisation/random.ts'
import { type S3StandIn, startS3 } from '../../sandbox/s3.ts'
import { type Importing, importing } from '../harness/importing.ts'
import { insertConnector, insertPolicy } from '../harness/rows.ts'
import { deliver, trailSettings } from '../harness/trail.ts'
import { aboveUsual, TEMPLATES } from './policies.ts'
import {
  BADGE_SETTINGS,
  EHR_SETTINGS,
  FILE_OF,
  HR_SETTINGS,
  SOURCES,
  type Source,
  type SourceRecord,
} from './records.ts'

/** Ids and keys are the same in every installation, so that what is keyed by them can be compared. */
const RING = createKeyRing()
const CONNECTORS = new Map<Source, string>(SOURCES.map((source) => [source, uuid()]))

/** An installation with a connector for every source, and policies that were there before any record. */
export interface Installed extends AsyncDisposable {
  importing: Importing
  policies: ReadonlyMap<string, string>
  /** Imports records: one file of each source that they are of. */
  arrive(records: readonly SourceRecord[]): Promise<void>
  /** Looks at whoever the imports touched, or at everybody, as of some milliseconds after `asOf`. */
  evaluate(asOf: Date, everybody?: boolean): Promise<{ created: number; updated: number }>
}

export async function installed(): Promise<Installed> {
  const t = await importing(RING)
  const s3 = await startS3()
  const office = await startOffice365()
  office.subscribeAll()
  await connect(t, s3, office)
  const policies = new Map<string, string>()
  for (const [template, overrides] of Object.entries(TEMPLATES)) {
    policies.set(template, await insertPolicy(t.t, template, template, overrides, [aboveUsual]))
  }
  let looks = 0
  return {
    importing: t,
    policies,
    async arrive(records) {
      for (const source of SOURCES) {
        const cells = records.filter((each) => each.source === source).map((each) => each.cells)
        if (cells.length === 0) continue
        const connectorId = CONNECTORS.get(source) as string
        if (source === 'amazon-s3') deliver(s3, new Date(), cells)
        else if (source === 'office-365-activity') office.add('DLP.All', cells, new Date())
        else await t.send(connectorId, FILE_OF[source](cells))
        if (source === 'amazon-s3' || source === 'office-365-activity') await t.pull(connectorId)
      }
    },
    async evaluate(asOf, everybody = false) {
      looks += 1
      const at = new Date(asOf.getTime() + looks).toISOString()
      const found = { created: 0, updated: 0 }
      for (const policyId of policies.values()) {
        const { alertsCreated, alertsUpdated } = await evaluatePolicy(t.deps)({ policyId, asOf: at, everybody })
        found.created += alertsCreated.length
        found.updated += alertsUpdated.length
      }
      return found
    },
    async [Symbol.asyncDispose]() {
      await t[Symbol.asyncDispose]()
      await s3[Symbol.asyncDispose]()
      await office.close()
    },
  }
}

async function connect(t: Importing, s3: S3StandIn, office: Office): Promise<void> {
  const settings: Record<Source, Record<string, unknown>> = {
    hr: HR_SETTINGS,
    healthcare: EHR_SETTINGS,
    'physical-badging': BADGE_SETTINGS,
    'amazon-s3': trailSettings(s3.endpoint),
    'office-365-activity': { ...OFFICE_APP, apiUrl: office.url, loginUrl: office.url, contentTypes: ['DLP.All'] },
  }
  for (const source of SOURCES) await insertConnector(t.t, source, settings[source], CONNECTORS.get(source))
}

/** The same records in another order and cut into parts, of which some come twice. */
export function partsOf(random: Random, records: readonly SourceRecord[]): SourceRecord[][] {
  const mixed = shuffled(random, records)
  const parts: SourceRecord[][] = []
  const size = Math.ceil(mixed.length / random.whole(3, 6))
  for (let from = 0; from < mixed.length; from += size) parts.push(mixed.slice(from, from + size))
  return shuffled(random, [...parts, ...parts.filter(() => random.chance(0.3)).map((part) => shuffled(random, part))])
}

export const shuffled = <T>(random: Random, all: readonly T[]): T[] =>
  all
    .map((each) => ({ each, rank: random.unit() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ each }) => each)
