import { v7 as uuid } from 'uuid'
import type { Deps } from '../../activities/deps.ts'
import { asFailure } from '../../activities/failure.ts'
import { finishImport, runImport } from '../../activities/imports.ts'
import { type Access, AccessBook, openAccess, type RequestLimit } from '../../connectors/access.ts'
import { type ConnectorDefinition, limitOf } from '../../connectors/connector.ts'
import { connectorKinds } from '../../connectors/kinds.ts'
import { openPullImport } from '../../db/imports.ts'
import { sealSecrets } from '../../db/secrets.ts'
import { readTexts } from '../../db/texts.ts'
import { formOf, parseSettings, partSecrets } from '../../domain/form.ts'
import type { RejectionCode } from '../../domain/signal.ts'
import type { Bench, Occurrence, VendorBench } from '../../sandbox/benches/bench.ts'
import { VirtualClock } from '../../sandbox/clock.ts'
import { startVendor, type Vendor } from '../../sandbox/vendor/vendor.ts'
import { depsOf, type Host, Written } from './host.ts'

/** When every scenario begins. */
export const START = new Date('2026-11-20T12:00:00Z')
/** An import is tried so often at most; a connector that needs more does not come to an end. */
const ATTEMPTS = 20
/** The limit that is held against a connector: small, so that a few pages already meet it. */
export const SMALL_LIMIT = 12

/** How one import ended, as the workflow would see it. */
export interface Outcome {
  state: 'completed' | 'failed'
  /** Of the failure that ended it. */
  code: string | null
  attempts: number
  /** Codes of the failures that were tried again, with the wait that was asked for. */
  retried: { code: string; delayMs: number | null }[]
}

/** Kinds under trial are registered for as long as their rig stands: what is tried may differ from what ships. */
const registered = connectorKinds as Map<string, ConnectorDefinition>
let rigs = 0

/** Lets a definition be changed before it is tried: how the kit itself is proven. */
export interface Sabotage {
  access?(access: Access): Access
}

/** One connector against one stand-in, in a database of the kit's. */
export class Rig implements AsyncDisposable {
  readonly bench: Bench
  /** As the rig's own connector is registered. */
  readonly definition: ConnectorDefinition
  /** A host that nothing may be sent to. */
  readonly elsewhere: Vendor
  readonly written = new Written()
  readonly clock: VirtualClock
  connectorId = ''
  #deps!: Deps
  #markers = 0

  private constructor(definition: ConnectorDefinition, bench: Bench, elsewhere: Vendor, clock: VirtualClock) {
    this.definition = definition
    this.bench = bench
    this.elsewhere = elsewhere
    this.clock = clock
  }

  static async open(
    host: Host,
    definition: ConnectorDefinition,
    vendor: VendorBench,
    { access: spoiled = (access) => access }: Sabotage = {},
  ): Promise<Rig> {
    const clock = new VirtualClock()
    clock.set(START)
    const elsewhere = await startVendor({
      operation: () => 'trap',
      handle: () => ({ status: 200, headers: { 'content-type': 'application/json' }, body: '{}' }),
    })
    rigs += 1
    const own = { ...definition, id: `${definition.id}~${rigs}` }
    registered.set(own.id, own)
    const rig = new Rig(own, await vendor.start(clock), elsewhere, clock)
    const book = new AccessBook((limit) => spoiled(virtual(clock, limit ?? null)))
    rig.#deps = await depsOf(host, book, rig.written)
    rig.connectorId = await rig.#connect(host)
    return rig
  }

  async #connect({ db, vault }: Host): Promise<string> {
    const id = uuid()
    const { settings, secret } = partSecrets(this.definition.config, { ...this.bench.settings })
    await db
      .insertInto('connector')
      .values({
        id,
        kind: this.definition.id,
        name: `conformance ${id}`,
        state: 'active',
        activated_at: new Date(),
        settings: JSON.stringify(settings),
        secret_id: await sealSecrets(db, vault, secret),
        every_seconds: 3600,
      })
      .execute()
    return id
  }

  /** Stages an event that happened so many minutes before now and could be read a minute later. */
  stage(minutesAgo: number, more: Partial<Occurrence> = {}): string {
    this.#markers += 1
    const marker = `fixture-${String(this.#markers).padStart(4, '0')}`
    const at = new Date(Math.floor((this.clock.now().getTime() - minutesAgo * 60_000) / 1000) * 1000)
    this.bench.stage({
      marker,
      person: PEOPLE[this.#markers % PEOPLE.length] as string,
      at,
      availableAt: new Date(at.getTime() + 60_000),
      form: 'plain',
      behindCursor: false,
      ...more,
    })
    return marker
  }

  /** So many events, evenly spread over the minutes. */
  stageMany(count: number, fromMinutesAgo: number, toMinutesAgo = 2): string[] {
    const step = (fromMinutesAgo - toMinutesAgo) / Math.max(1, count - 1)
    return Array.from({ length: count }, (_, index) => this.stage(fromMinutesAgo - index * step))
  }

  wait(seconds: number): void {
    this.clock.advance(seconds * 1000)
  }

  /** Imports what there is by now, trying again as the workflow would. */
  async import({ skewMs = 0, range }: { skewMs?: number; range?: { from: Date; to: Date } } = {}): Promise<Outcome> {
    const nominalAt = new Date(this.clock.now().getTime() + skewMs)
    const { importId } = await openPullImport(this.#deps.db, {
      connectorId: this.connectorId,
      source: 'request',
      nominalAt,
    })
    if (range) {
      await this.#deps.db
        .updateTable('import')
        .set({ source: 'backfill', range_from: range.from, range_to: range.to })
        .where('id', '=', importId)
        .execute()
    }
    const retried: Outcome['retried'] = []
    for (let attempt = 1; ; attempt += 1) {
      try {
        await runImport(this.#deps, importId, {
          signal: new AbortController().signal,
          heartbeat: (progress) => this.written.add(JSON.stringify(progress)),
        })
        await finishImport(this.#deps)({ importId, outcome: 'completed' })
        return { state: 'completed', code: null, attempts: attempt, retried }
      } catch (error) {
        const failure = asFailure(error)
        this.#deps.log.warn({ attempt, code: failure.type, err: error }, 'activity failed')
        this.written.add(JSON.stringify({ ...failure, stack: failure.stack, message: failure.message }))
        const code = failure.type ?? 'internal'
        if (failure.nonRetryable || attempt >= ATTEMPTS) {
          await finishImport(this.#deps)({ importId, outcome: 'failed', code, detail: failure.message })
          return { state: 'failed', code, attempts: attempt, retried }
        }
        const delayMs = typeof failure.nextRetryDelay === 'number' ? failure.nextRetryDelay : null
        retried.push({ code, delayMs })
        this.clock.advance(delayMs ?? 1_000)
      }
    }
  }

  /** Everything that is left to find: what the sweep is for, and once more. */
  async settle(): Promise<void> {
    if (this.definition.pull?.sweep) this.wait(this.definition.pull.sweep.everySeconds + 60)
    else this.wait(3_600)
    await this.import()
  }

  /** How often each fixture event is stored. */
  async stored(): Promise<Map<string, number>> {
    if (!this.definition.yields.activities) return this.#storedFacts()
    const rows = await this.#deps.db
      .selectFrom('activity')
      .select(['texts_id', 'texts_index'])
      .where('connector_id', '=', this.connectorId)
      .execute()
    return this.#count(rows)
  }

  /** Of a source that tells what is so: each fixture stands in what may be stored in clear. */
  async #storedFacts(): Promise<Map<string, number>> {
    const rows = await this.#deps.db
      .selectFrom('fact')
      .innerJoin('import', 'import.id', 'fact.import_id')
      .select('fact.attributes')
      .where('import.connector_id', '=', this.connectorId)
      .execute()
    return countsOf(rows.map(({ attributes }) => attributes))
  }

  async quarantined(): Promise<Map<string, number>> {
    const rows = await this.#deps.db
      .selectFrom('quarantined_row')
      .select(['texts_id', 'texts_index'])
      .where('connector_id', '=', this.connectorId)
      .execute()
    return this.#count(rows)
  }

  /** How many rows were set aside by this code. */
  async quarantinedAs(code: RejectionCode): Promise<number> {
    const { n } = await this.#deps.db
      .selectFrom('quarantined_row')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .where('connector_id', '=', this.connectorId)
      .where('code', '=', code)
      .executeTakeFirstOrThrow()
    return n
  }

  async #count(rows: readonly { texts_id: string | null; texts_index: number | null }[]): Promise<Map<string, number>> {
    const texts = new Map<string, Awaited<ReturnType<typeof readTexts>>>()
    const found: unknown[] = []
    for (const { texts_id: id, texts_index: index } of rows) {
      if (id === null || index === null) continue
      if (!texts.has(id)) texts.set(id, await readTexts(this.#deps.db, this.#deps.vault, id))
      found.push(texts.get(id)?.[index]?.raw)
    }
    return countsOf(found)
  }

  /** Verb and native name under which one fixture event was stored. */
  async storedAs(marker: string): Promise<{ verb: string; nativeEvent: string } | undefined> {
    const rows = await this.#deps.db
      .selectFrom('activity')
      .select(['verb', 'native_event', 'texts_id', 'texts_index'])
      .where('connector_id', '=', this.connectorId)
      .execute()
    for (const row of rows) {
      if ((await this.#count([row])).has(marker)) return { verb: row.verb, nativeEvent: row.native_event }
    }
    return undefined
  }

  /** Requests for data since the last call of `mark`. */
  dataRequests(since = 0) {
    return this.bench.requests.slice(since).filter(({ operation }) => this.bench.data.includes(operation))
  }

  /** What must never be written down: secrets, tokens, and who the fixtures are about. */
  get forbiddenTexts(): string[] {
    const { secrets } = formOf(this.definition.config)
    const entered = secrets.map((name) => this.bench.settings[name]).filter((each) => typeof each === 'string')
    return [...(entered as string[]), ...this.bench.secrets(), ...PEOPLE, 'fixture-']
  }

  /** How often the source may be asked, under the settings of the bench. */
  get declaredLimit(): RequestLimit | null {
    return limitOf(this.definition, parseSettings(this.definition.config, { ...this.bench.settings }))
  }

  get deps(): Deps {
    return this.#deps
  }

  async [Symbol.asyncDispose](): Promise<void> {
    registered.delete(this.definition.id)
    await this.bench[Symbol.asyncDispose]()
    await this.elsewhere.close()
  }
}

/** How often each fixture stands in what is stored. */
function countsOf(stored: readonly unknown[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const each of stored) {
    const marker = /fixture-\d{4}/.exec(JSON.stringify(each ?? ''))?.[0]
    if (marker) counts.set(marker, (counts.get(marker) ?? 0) + 1)
  }
  return counts
}

const PEOPLE = ['dana.roe@conformance.example', 'lee.poe@conformance.example', 'kim.doe@conformance.example']

/** An access that lives by the stand-in's clock, with a limit that a few pages meet. */
function virtual(clock: VirtualClock, limit: RequestLimit | null): Access {
  const small = limit && { requests: Math.min(limit.requests, SMALL_LIMIT), perSeconds: limit.perSeconds }
  return {
    ...openAccess(small),
    now: () => clock.now().getTime(),
    async pause(ms, signal) {
      signal.throwIfAborted()
      clock.advance(ms)
    },
  }
}
