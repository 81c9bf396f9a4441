import type { ConnectorDefinition } from '../../connectors/connector.ts'
import type { OriginLookup } from '../../connectors/origin.ts'
import { type StagedActivity, stagingLine } from '../../db/activities.ts'
import type { QuarantinedDraft, RecordText } from '../../db/chunks.ts'
import type { Database } from '../../db/connection.ts'
import { type ContainerCache, resolveContainers } from '../../db/containers.ts'
import type { ResolvedFact } from '../../db/facts.ts'
import { type IdentityCache, identifierText, resolveIdentities } from '../../db/people.ts'
import type { subjectHasher } from '../../db/subject-keys.ts'
import type { Vault } from '../../db/vault.ts'
import { type Activity, activitiesOf, type Fact, type Identifier, type Mapped } from '../../domain/signal.ts'
import type { ChunkDraft, DraftRecord } from './drafts.ts'

/** A chunk whose records are mapped and whose names are resolved: nothing but SQL is left to do. */
export interface PreparedChunk {
  draft: ChunkDraft
  /** Lines for staging. */
  lines: string[]
  /** Records that became activities; one of a finding may have several lines. */
  activities: number
  days: Set<string>
  facts: ResolvedFact[]
  quarantined: QuarantinedDraft[]
  ignored: number
  zoneAssumed: number
  texts: RecordText[]
}

export interface PrepareContext {
  db: Database
  vault: Vault
  connectorId: string
  definition: ConnectorDefinition
  config: unknown
  origin: OriginLookup
  identities: IdentityCache
  containers: ContainerCache
  hashSubject: ReturnType<typeof subjectHasher>
}

function mapRecord({ definition, config }: PrepareContext, { record }: DraftRecord): Mapped {
  return record.unreadable ?? mapOrReject(() => definition.map(record.record, config))
}

/** One record that the mapping did not foresee must not cost the others: it goes where a person can look at it. */
export function mapOrReject(map: () => Mapped): Mapped {
  try {
    return map()
  } catch {
    return { type: 'rejected', code: 'field_invalid', expected: 'a record in the documented form' }
  }
}

/** Maps every record and resolves accounts and containers set-based. */
export async function prepareChunk(context: PrepareContext, draft: ChunkDraft): Promise<PreparedChunk> {
  const prepared: PreparedChunk = {
    draft,
    lines: [],
    activities: 0,
    days: new Set(),
    facts: [],
    quarantined: [],
    ignored: 0,
    zoneAssumed: 0,
    texts: [],
  }
  const activities: { activity: Activity; ordinal: number; source: number }[] = []
  const facts: { fact: Fact; line: number }[] = []
  for (const drafted of draft.records) {
    const mapped = mapRecord(context, drafted)
    if (mapped.type === 'activity' || mapped.type === 'finding') {
      const found = mapped.type === 'finding' ? activitiesOf(mapped) : [mapped]
      for (const activity of found) {
        activities.push({ activity, ordinal: prepared.texts.length, source: drafted.source })
      }
      prepared.activities += 1
      prepared.texts.push(textOf(found[0] as Activity))
      if (found[0]?.zoneAssumed) prepared.zoneAssumed += 1
    } else if (mapped.type === 'fact') {
      facts.push({ fact: mapped, line: drafted.record.line })
      if (mapped.zoneAssumed) prepared.zoneAssumed += 1
    } else if (mapped.type === 'rejected') {
      prepared.quarantined.push({ line: drafted.record.line, rejected: mapped, textsIndex: prepared.texts.length })
      prepared.texts.push({ origin: drafted.origin, raw: drafted.record.record })
    } else {
      prepared.ignored += 1
    }
  }

  await resolveIdentities(context.db, context.vault, accountsOf(activities, facts), context.identities)
  const containerNames = activities.flatMap(({ activity }) => activity.container ?? [])
  await resolveContainers(context.db, context.vault, context.connectorId, containerNames, context.containers)

  const idOf = (identifier: Identifier): number => context.identities.get(identifierText(identifier)) as number
  for (const { activity, ordinal, source } of activities) {
    const staged: StagedActivity = {
      activity,
      ordinal,
      identityId: idOf(activity.actor),
      sourceIndex: source,
      containerId: activity.container === undefined ? null : (context.containers.get(activity.container) ?? null),
      origin: context.origin(activity.originIp),
      ...(activity.subject === undefined ? {} : { subject: context.hashSubject(activity.subject) }),
    }
    prepared.lines.push(stagingLine(context.vault, context.connectorId, staged))
    prepared.days.add(activity.at.toISOString().slice(0, 10))
  }
  prepared.facts = facts.map(({ fact, line }) => ({
    fact,
    line,
    identityId: idOf(fact.person),
    aliasIds: (fact.aliases ?? []).map(idOf),
  }))
  return prepared
}

const textOf = (activity: Activity): RecordText => ({
  ...(activity.container === undefined ? {} : { container: activity.container }),
  ...(activity.object === undefined ? {} : { object: activity.object }),
  ...(activity.userAgent === undefined ? {} : { userAgent: activity.userAgent }),
  ...(activity.raw === undefined ? {} : { raw: activity.raw }),
})

function* accountsOf(
  activities: readonly { activity: Activity }[],
  facts: readonly { fact: Fact }[],
): Generator<Identifier> {
  for (const { activity } of activities) yield activity.actor
  for (const { fact } of facts) {
    yield fact.person
    yield* fact.aliases ?? []
  }
}
