import type { ConnectorDefinition } from '../../connectors/connector.ts'
import type { OriginLookup } from '../../connectors/origin.ts'
import { stagingLine } from '../../db/activities.ts'
import type { QuarantinedDraft } from '../../db/chunks.ts'
import type { Database } from '../../db/connection.ts'
import { type ContainerCache, resolveContainers } from '../../db/containers.ts'
import type { ResolvedFact } from '../../db/facts.ts'
import type { ImportSession } from '../../db/import-session.ts'
import { type AccountIds, type IdentityCache, identifierText, resolveIdentities } from '../../db/people.ts'
import type { subjectHasher } from '../../db/subject-keys.ts'
import { TextsPacker } from '../../db/texts.ts'
import type { Vault } from '../../db/vault.ts'
import { type Activity, activitiesOf, type Fact, type Identifier, type Mapped } from '../../domain/signal.ts'
import type { ChunkEnd, ChunkPart } from './drafts.ts'

/** A chunk whose activities are staged and whose texts are packed: nothing but SQL is left to do. */
export interface PreparedChunk extends Omit<ChunkEnd, 'type'> {
  /** Records that became activities; one of a finding may have several lines in staging. */
  activities: number
  /** UTC days, `YYYY-MM-DD`. */
  days: ReadonlySet<string>
  facts: readonly ResolvedFact[]
  quarantined: readonly QuarantinedDraft[]
  ignored: number
  zoneAssumed: number
  /** See `TextsPacker`; null when there are none. */
  texts: Buffer | null
}

export interface PrepareContext {
  db: Database
  vault: Vault
  connectorId: string
  definition: ConnectorDefinition
  config: unknown
  origin: OriginLookup
  identities: IdentityCache
  accounts: AccountIds
  containers: ContainerCache
  hashSubject: ReturnType<typeof subjectHasher>
}

/** One record that the mapping did not foresee must not cost the others: it goes where a person can look at it. */
export function mapOrReject(map: () => Mapped): Mapped {
  try {
    return map()
  } catch {
    return { type: 'rejected', code: 'field_invalid', expected: 'a record in the documented form' }
  }
}

const DAY_MS = 86_400_000

/**
 * A chunk while it is read: every part is mapped, its accounts and containers are resolved set-based, and it goes into
 * staging and the packed texts at once. What it keeps of a record is what no table has yet: facts and quarantined rows.
 */
export class ChunkInMaking {
  readonly #context: PrepareContext
  readonly #session: ImportSession
  readonly #texts = new TextsPacker()
  readonly #days = new Set<number>()
  readonly #facts: { fact: Fact; line: number }[] = []
  readonly #quarantined: QuarantinedDraft[] = []
  #activities = 0
  #ignored = 0
  #zoneAssumed = 0

  private constructor(context: PrepareContext, session: ImportSession) {
    this.#context = context
    this.#session = session
  }

  static async begin(context: PrepareContext, session: ImportSession): Promise<ChunkInMaking> {
    await session.clear()
    return new ChunkInMaking(context, session)
  }

  async add({ records, origin, source }: ChunkPart): Promise<void> {
    const { definition, config } = this.#context
    const mapped: { activity: Activity; ordinal: number }[] = []
    for (const record of records) {
      const signal = record.unreadable ?? mapOrReject(() => definition.map(record.record, config))
      switch (signal.type) {
        case 'activity':
          mapped.push({ activity: signal, ordinal: this.#keep(signal) })
          break
        case 'finding': {
          const found = activitiesOf(signal)
          const ordinal = this.#keep(found[0] as Activity)
          for (const activity of found) mapped.push({ activity, ordinal })
          break
        }
        case 'fact':
          this.#facts.push({ fact: signal, line: record.line })
          if (signal.zoneAssumed) this.#zoneAssumed += 1
          break
        case 'rejected':
          this.#quarantined.push({
            line: record.line,
            rejected: signal,
            textsIndex: this.#texts.add({ origin, raw: record.record }),
          })
          break
        default:
          this.#ignored += 1
      }
    }
    await this.#stage(mapped, source)
    await this.#texts.settled()
  }

  /** Notes an activity's record and keeps its texts; returns the index of these. */
  #keep(activity: Activity): number {
    this.#activities += 1
    if (activity.zoneAssumed) this.#zoneAssumed += 1
    const { container, object, userAgent, raw } = activity
    return this.#texts.add({ container, object, userAgent, raw })
  }

  async #stage(mapped: readonly { activity: Activity; ordinal: number }[], source: number): Promise<void> {
    if (mapped.length === 0) return
    const { vault, connectorId, containers, origin, hashSubject } = this.#context
    await this.#resolve(mapped.map(({ activity }) => activity))
    let lines = ''
    for (const { activity, ordinal } of mapped) {
      this.#days.add(Math.floor(activity.at.getTime() / DAY_MS))
      lines += stagingLine(vault, connectorId, {
        activity,
        ordinal,
        identityId: this.#idOf(activity.actor),
        sourceIndex: source,
        containerId: activity.container === undefined ? null : (containers.get(activity.container) ?? null),
        origin: origin(activity.originIp),
        ...(activity.subject === undefined ? {} : { subject: hashSubject(activity.subject) }),
      })
    }
    await this.#session.append(lines)
  }

  async #resolve(activities: readonly Activity[]): Promise<void> {
    const { db, vault, connectorId, containers } = this.#context
    await this.#resolveAccounts(activities.map(({ actor }) => actor))
    const names = new Set<string>()
    for (const { container } of activities)
      if (container !== undefined && !containers.has(container)) names.add(container)
    await resolveContainers(db, vault, connectorId, names, containers)
  }

  async #resolveAccounts(identifiers: readonly Identifier[]): Promise<void> {
    const { db, vault, identities, accounts } = this.#context
    const unknown = identifiers.filter((identifier) => accounts.get(identifier) === undefined)
    if (unknown.length === 0) return
    await resolveIdentities(db, vault, unknown, identities)
    for (const identifier of unknown) accounts.take(identifier, identities)
  }

  #idOf(identifier: Identifier): number {
    const { accounts, identities } = this.#context
    return accounts.get(identifier) ?? (identities.get(identifierText(identifier)) as number)
  }

  /** Ends the chunk: all of it is staged and packed when this returns. */
  async close({ type: _, ...end }: ChunkEnd): Promise<PreparedChunk> {
    const accountsOfFacts = this.#facts.flatMap(({ fact }) => [fact.person, ...(fact.aliases ?? [])])
    await this.#resolveAccounts(accountsOfFacts)
    await this.#session.staged()
    return {
      ...end,
      activities: this.#activities,
      days: new Set([...this.#days].map((day) => new Date(day * DAY_MS).toISOString().slice(0, 10))),
      facts: this.#facts.map(({ fact, line }) => ({
        fact,
        line,
        identityId: this.#idOf(fact.person),
        aliasIds: (fact.aliases ?? []).map((alias) => this.#idOf(alias)),
      })),
      quarantined: this.#quarantined,
      ignored: this.#ignored,
      zoneAssumed: this.#zoneAssumed,
      texts: await this.#texts.finish(),
    }
  }
}
