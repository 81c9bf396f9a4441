import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { v7 as uuid } from 'uuid'
import type { SourceRecord } from '../../connectors/connector.ts'
import type { OriginLookup } from '../../connectors/origin.ts'
import { ActivityRows } from '../../db/activity-rows.ts'
import type { StagedActivity } from '../../db/activity-writer.ts'
import type { QuarantinedDraft } from '../../db/chunks.ts'
import type { Database } from '../../db/connection.ts'
import { type ContainerCache, resolveContainers } from '../../db/containers.ts'
import type { ResolvedFact } from '../../db/facts.ts'
import { type AccountIds, type IdentityCache, identifierText, resolveIdentities } from '../../db/people.ts'
import type { subjectHasher } from '../../db/subject-keys.ts'
import { TextsPacker } from '../../db/texts.ts'
import type { Vault } from '../../db/vault.ts'
import { type Activity, activitiesOf, type Fact, type Identifier, type Mapped } from '../../domain/signal.ts'
import type { Matcher } from '../../policies/matching.ts'
import type { ConfiguredConnector } from '../connector-config.ts'
import type { ChunkEnd, ChunkPart } from './drafts.ts'

/** A chunk whose activities are rows and whose texts are packed: nothing but SQL is left to do. */
export interface PreparedChunk extends Omit<ChunkEnd, 'type'> {
  /** Of the import, from 1. */
  number: number
  /** Records that became activities; one of a finding may have several rows. */
  activities: number
  rows: ActivityRows
  /** It has told of the rows what they count for. */
  matcher: Matcher
  /** UTC days, `YYYY-MM-DD`. */
  days: ReadonlySet<string>
  facts: readonly ResolvedFact[]
  quarantined: readonly QuarantinedDraft[]
  ignored: number
  zoneAssumed: number
  /** See `TextsPacker`; null when there are none. */
  texts: { id: string; packed: Buffer } | null
}

export interface PrepareContext extends ConfiguredConnector {
  db: Database
  vault: Vault
  connectorId: string
  importId: string
  origin: OriginLookup
  identities: IdentityCache
  accounts: AccountIds
  containers: ContainerCache
  /** Tells of activities what they count for; replaced when policies change. */
  matching: { matcher: Matcher }
  /** Of chunks that are stored: their memory serves the next ones. */
  spareRows: ActivityRows[]
  hashSubject: ReturnType<typeof subjectHasher>
}

/** One record that the mapping did not foresee must not cost the others: it goes where a person can look at it. */
export function mapOrReject({ definition, config }: ConfiguredConnector, record: unknown): Mapped {
  try {
    return definition.map(record, config)
  } catch {
    return { type: 'rejected', code: 'field_invalid', expected: 'a record in the documented form' }
  }
}

// A turn is taken in the middle of what was read, so the collector finds records alive there, takes them for something that
// lasts and makes all later ones where only a full collection clears away: a sixth of an import's memory.
setFlagsFromString('--no-allocation-site-pretenuring')
// What outlives its turn all the same is mostly garbage soon: 40 MB of it would wait for the old space to fill.
setFlagsFromString('--heap-growing-percent=100')

const DAY_MS = 86_400_000
/** Activities of accounts that are met for the first time. */
const LOOKED_UP_AT_ONCE = 2_000
/** While the database makes the accounts of one, the next ones are read and sealed. */
const LOOK_UPS_AT_ONCE = 3
/** Some milliseconds of work. */
const RECORDS_A_TURN = 100

/**
 * A chunk while it is read: every part is mapped, its accounts and containers are resolved set-based, and it goes into
 * rows as the database reads them and the packed texts at once. No record outlives its part, but for facts.
 */
export class ChunkInMaking {
  readonly #context: PrepareContext
  readonly #matcher: Matcher
  readonly #textsId = uuid()
  readonly #texts = new TextsPacker()
  readonly #rows: ActivityRows
  readonly #days = new Set<number>()
  /** Look-ups under way; records are read meanwhile. One that failed stays, for its rows are nowhere else. */
  readonly #resolving = new Set<Promise<void>>()
  #waiting: { activity: Activity; ordinal: number; source: number }[] = []
  readonly #facts: { fact: Fact; line: number }[] = []
  readonly #quarantined: QuarantinedDraft[] = []
  #activities = 0
  #ignored = 0
  #zoneAssumed = 0

  constructor(context: PrepareContext) {
    this.#context = context
    this.#matcher = context.matching.matcher
    const { vault, connectorId, importId, spareRows } = context
    const textsId = this.#textsId
    const spare = spareRows.pop()
    spare?.begin(textsId)
    this.#rows = spare ?? new ActivityRows(vault, { connectorId, importId, textsId })
  }

  async add({ records, origin, source }: ChunkPart): Promise<void> {
    for (let from = 0; from < records.length; from += RECORDS_A_TURN) {
      // The chunk before is being stored: its answers must not wait until the whole part is mapped.
      if (from > 0) await nextTurn()
      await this.#addSome(records.slice(from, from + RECORDS_A_TURN), origin, source)
    }
    await this.#texts.settled()
  }

  async #addSome(records: readonly SourceRecord[], origin: string, source: number): Promise<void> {
    for (const record of records) {
      const signal = record.unreadable ?? mapOrReject(this.#context, record.record)
      switch (signal.type) {
        case 'activity':
          this.#stage(signal, this.#keep(signal, record), source)
          break
        case 'finding': {
          const found = activitiesOf(signal)
          const ordinal = this.#keep(found[0] as Activity, record)
          for (const activity of found) this.#stage(activity, ordinal, source)
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
    if (this.#waiting.length >= LOOKED_UP_AT_ONCE) await this.#lookUp()
  }

  /** Notes an activity's record and keeps its texts; returns the index of these. */
  #keep(activity: Activity, source: SourceRecord): number {
    this.#activities += 1
    if (activity.zoneAssumed) this.#zoneAssumed += 1
    const { container, object, userAgent, raw } = activity
    return this.#texts.add({ container, object, userAgent, raw }, raw === source.record ? source : undefined)
  }

  /** A row of an activity whose account, container and day are known; others wait for a look-up of many at once. */
  #stage(activity: Activity, ordinal: number, source: number): void {
    const { accounts, containers } = this.#context
    const identityId = accounts.get(activity.actor)
    const { container } = activity
    const isKnown = identityId !== undefined && (container === undefined || containers.has(container))
    if (!isKnown || !this.#matcher.isReadyFor(activity.at)) this.#waiting.push({ activity, ordinal, source })
    else this.#addRow(activity, ordinal, source, identityId)
  }

  /** Begins a look-up of those that wait, when there are not too many under way. */
  async #lookUp(): Promise<void> {
    if (this.#resolving.size === LOOK_UPS_AT_ONCE) await Promise.race(this.#resolving)
    const resolving: Promise<void> = this.#resolveWaiting().then(() => {
      this.#resolving.delete(resolving)
    })
    // Until it is awaited a fault must not end the process.
    resolving.catch(() => {})
    this.#resolving.add(resolving)
  }

  #addRow(activity: Activity, ordinal: number, sourceIndex: number, identityId: number): void {
    const { containers, origin, hashSubject } = this.#context
    const { container, subject } = activity
    this.#days.add(Math.floor(activity.at.getTime() / DAY_MS))
    const staged: StagedActivity = {
      activity,
      ordinal,
      identityId,
      sourceIndex,
      containerId: container === undefined ? null : (containers.get(container) ?? null),
      origin: origin(activity.originIp),
      subject: subject && hashSubject(subject),
      hits: 0,
    }
    staged.hits = this.#matcher.hitsOf(staged)
    this.#rows.add(staged)
  }

  async #resolveWaiting(): Promise<void> {
    const { db, vault, connectorId, containers } = this.#context
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    const names = new Set<string>()
    for (const { activity } of waiting) if (activity.container !== undefined) names.add(activity.container)
    await resolveContainers(db, vault, connectorId, names, containers)
    await this.#matcher.learn(
      db,
      waiting.map(({ activity }) => activity.at),
    )
    await this.#resolveAccounts(waiting.map(({ activity }) => activity.actor))
    for (const { activity, ordinal, source } of waiting)
      this.#addRow(activity, ordinal, source, this.#idOf(activity.actor))
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

  /** Ends the chunk: all of it is packed when this returns. */
  async close(number: number, { type: _, ...end }: ChunkEnd): Promise<PreparedChunk> {
    const accountsOfFacts = this.#facts.flatMap(({ fact }) => [fact.person, ...(fact.aliases ?? [])])
    await Promise.all(this.#resolving)
    await this.#resolveAccounts(accountsOfFacts)
    await this.#resolveWaiting()
    const packed = await this.#texts.finish()
    // While the database is busy with the chunks before.
    this.#rows.inOrder()
    return {
      ...end,
      number,
      activities: this.#activities,
      rows: this.#rows,
      matcher: this.#matcher,
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
      texts: packed === null ? null : { id: this.#textsId, packed },
    }
  }
}

interface Preparing {
  signal: AbortSignal
  /** Chunks of the import that are stored. */
  number: number
  prepared(number: number): void
}

export async function* prepareChunks(
  context: PrepareContext,
  parts: AsyncIterable<ChunkPart | ChunkEnd>,
  { signal, number, prepared }: Preparing,
): AsyncGenerator<PreparedChunk> {
  let making: ChunkInMaking | undefined
  for await (const part of parts) {
    signal.throwIfAborted()
    making ??= new ChunkInMaking(context)
    if (part.type === 'part') {
      await making.add(part)
      continue
    }
    number += 1
    const chunk = await making.close(number, part)
    making = undefined
    prepared(number)
    yield chunk
  }
}
