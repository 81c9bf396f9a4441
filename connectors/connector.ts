import type { z } from 'zod'
import type { Peculiarity } from '../domain/peculiarities.ts'
import type { CheckResult, PrerequisiteWords, Verdict } from '../domain/prerequisite.ts'
import type { RowsText } from '../domain/row-scanner.ts'
import type { FactKind, Mapped, Rejected } from '../domain/signal.ts'
import type { Access, RequestLimit } from './access.ts'
import { valueRules, withValueRules } from './value-rules.ts'

/** JSON that a reader can resume from. Strings for every native position. */
export type Position = { readonly [key: string]: unknown } | null

/** A record as the source delivers it, with the place where it was found. */
export interface SourceRecord<R = unknown> {
  /** 1-based line or index within its page. */
  line: number
  /** The decoded record, or the reason why it could not be decoded (`record` then holds what there was, for quarantine). */
  record: R
  /** `record` as JSON as the source wrote it, where the reader has it: it is kept as it is. */
  json?: string
  /** Where `record` is a row of texts and nothing else: what it stands in, from where and to where. It is kept as it is. */
  rows?: RowsText
  from?: number
  to?: number
  unreadable?: Rejected
}

/**
 * A run of records that a reader yields in one piece and can yield again: one object of a bucket, one file.
 * `after` is the position to resume from once the whole page is stored; re-reading from the position before it yields
 * the same records in the same order, so an import may stop in the middle and skip what it had stored.
 */
export interface Page<R = unknown> {
  /** What the page was read from, e.g. the object key. *Personal*: sealed before it is stored. */
  origin: string
  /** SHA-256 (hex) of the bytes read, where known before the records are. */
  sha256?: string
  records: AsyncIterable<SourceRecord<R>> | Iterable<SourceRecord<R>>
  after: Position
  /** Keys that become part of the connector's seen-set when the page is stored. */
  seenKeys?: readonly string[]
  /**
   * True where reading again may yield other records than before, as with most APIs: the page is then stored whole or not
   * at all. It must fit into memory: a few thousand records.
   */
  whole?: boolean
}

/** Where the bytes of a pushed file come from. The stream is opened anew on every attempt. */
export interface FileSource {
  kind: 'file'
  name: string
  open(): AsyncIterable<Uint8Array>
}

export interface ReadInput<Config> {
  /** Settings and secrets, parsed by the connector's schema. */
  config: Config
  /** Where the last committed chunk ended; null = from the beginning. */
  position: Position
  /** Present when the import reads a pushed file. */
  file?: FileSource
  /** The import's nominal time: a pull connector reads what is available up to it. */
  until: Date
  /** True when something was stored under this key before (a pull connector's seen-set). Keys are hashed before storage. */
  seen(keys: readonly string[]): Promise<ReadonlySet<string>>
  signal: AbortSignal
  /** What the calls of this connector share: see `openHttp`. */
  access: Access
}

/** How a source can be pulled. What stands here is held against its stand-in by the conformance kit. */
export interface Pull {
  /**
   * As the vendor documents it, or as it is set where no vendor is known; null where there is none. The HTTP client stays
   * below.
   */
  limit: RequestLimit | null | ((config: any) => RequestLimit | null)
  /**
   * `read` looks so far behind its cursor each time: an event that becomes readable later than it happened, but within
   * this, is met by the next import. Null: it does not look behind, because the source hands events out as they become
   * readable, or because only the sweep can find what is late.
   */
  overlapSeconds: number | null
  /**
   * For what is later than the overlap: every `everySeconds`, `read` reads the last `reachSeconds` again. Which sweep
   * was done, and how far one under way has come, is part of the position, so that it survives a crash and nobody else
   * has to start it. Null: nothing can be later.
   */
  sweep: { everySeconds: number; reachSeconds: number } | null
  /** What this source does beyond what all do; the conformance kit has a scenario for each. */
  peculiarities?: readonly Peculiarity[]
}

/** A bounded piece of a pull source's history: `from` inclusive, `to` exclusive. */
export interface RangeInput<Config> extends Omit<ReadInput<Config>, 'file' | 'until'> {
  from: Date
  to: Date
  /** Waited for before each request that does not go through `access`, whose requests wait by themselves. */
  pace(): Promise<void>
}

/**
 * How a pull source is read backwards. Pieces are read apart from the live cursor, beside it, and may overlap it: what
 * the live import has stored is a duplicate, or is not read at all where the source has seen-keys.
 */
export interface History<Config, R = unknown> {
  /** How far back the source answers; null = as far as it has data. */
  reachDays: number | null
  /** Natural length of a piece: backfills cut a range at multiples of it, counted from UTC midnight. */
  pieceHours: number
  /** Pages of the range, resumable by `position` like those of `read`. */
  readRange(input: RangeInput<Config>): AsyncIterable<Page<R>>
}

export type PrerequisiteResult<V extends Verdict = Verdict> = CheckResult<V>

/** What the platform itself knows of a connector: for checks on freshness and on the records seen. */
export interface ConnectorHistory {
  lastCompletedImportAt: Date | null
  /** Null while the connector is being set up. */
  activatedAt: Date | null
  /** Activities stored per native event in the last 7 days. */
  recentEvents: ReadonlyMap<string, number>
  /** Hours in which an import stored something, within `RHYTHM_DAYS`. */
  arrivals: readonly Date[]
  /** Everybody whom a source has named so far. */
  people: number
}

/** Of a connector that never imported anything. */
export const NO_HISTORY: ConnectorHistory = {
  lastCompletedImportAt: null,
  activatedAt: null,
  recentEvents: new Map(),
  arrivals: [],
  people: 0,
}

export interface PrerequisiteInput<Config> {
  config: Config
  now: Date
  history: ConnectorHistory
  signal: AbortSignal
  access: Access
}

export interface Prerequisite<Config, V extends Verdict = Verdict> extends PrerequisiteWords<V> {
  /** `before`: can be checked with config and secrets alone. `after`: needs imported records. */
  when: 'before' | 'after'
  /** What it cannot find out is `unknown`: then an admin may attest it. */
  check(input: PrerequisiteInput<Config>): Promise<PrerequisiteResult<NoInfer<V>>>
}

/** For settings like these: a check that answers what is not among its verdicts does not compile. */
export const prerequisiteFor =
  <Config>() =>
  <const V extends Verdict>(prerequisite: Prerequisite<Config, V>): Prerequisite<Config> =>
    prerequisite

/** Settings under which a kind reads another API than usual, so that its checks ask somebody else. */
export interface Variant<Config> {
  /** In words: `older API`. Its stand-in has the same name. */
  name: string
  settings: Partial<Config>
  /** Prerequisites whose checks find out less there, by id, with the verdicts that are left. */
  verdicts: Readonly<Record<string, readonly Verdict[]>>
}

/** A column role that a file's headers are mapped to. */
export interface ColumnRole {
  id: string
  title: string
  required: boolean
  meaning: string
  /** Header names, compared without case, that suggest this role. */
  suggests: readonly string[]
}

/** What a sample file calls its fields: headers, or the paths of JSON objects, `actor.email`. */
export interface SampleFields {
  format: 'delimited' | 'json'
  names: readonly string[]
}

/** A role, and the field of the sample that has it. */
export interface SuggestedColumn extends Omit<ColumnRole, 'suggests'> {
  /** Null: no field is likely to, or the one that is expected is not there. */
  column: string | null
  /** The name that it has to have, where the kind or the admin's settings say so. */
  expected?: string
}

export interface Suggestion {
  columns: readonly SuggestedColumn[]
  /** To be taken over in place of those of the same names; what the admin has chosen stays as it is. */
  settings: Record<string, unknown>
}

export interface ConnectorDefinition<Config = any, R = any> {
  /** Lower-case, hyphenated; the id in the API's enum, the docs index and the guide's file name. */
  id: string
  title: string
  /** One sentence: what it reads. */
  says: string
  delivery: 'push' | 'pull'
  /** What it yields; policies use it to say which of them are blind without this connector. */
  yields: { activities: boolean; facts: readonly FactKind[] }
  /** Path of the admin's guide within the repository. */
  guide: string
  /** Plain settings and secrets in one form; secrets carry `.meta({ secret: true })`. */
  config: z.ZodType<any>
  /** Default seconds between scheduled imports. */
  everySeconds: number
  /** What Microsoft's upload script for this kind of source sends; absent where there is no such script. */
  microsoftScript?: 'csv' | 'json'
  /** Its own; `prerequisitesOf` adds what every kind has. */
  prerequisites: readonly Prerequisite<Config>[]
  variants?: readonly Variant<Config>[]
  /** When the credential in the settings ends, asked of the source; null where it does not tell. */
  credentialEnd?(input: PrerequisiteInput<Config>): Promise<Date | null>
  /** Push connectors: what a sample's fields are likely to be. `settings` is what the admin has set so far, unchecked. */
  suggest?(sample: SampleFields, settings: Readonly<Record<string, unknown>>): Suggestion
  /** Pages in an order that `position` can resume. Throws AppError with a source code on permanent faults. */
  read(input: ReadInput<Config>): AsyncIterable<Page<R>>
  /** Pull connectors: how the source delivers. */
  pull?: Pull
  /** Pull connectors whose past can be asked for. */
  history?: History<Config, R>
  /** Pure: one record to one signal. */
  map(record: R, config: Config): Mapped
}

/** How often the source of a connector may be asked. */
export function limitOf({ pull }: ConnectorDefinition, config: unknown): RequestLimit | null {
  const limit = pull?.limit ?? null
  return typeof limit === 'function' ? limit(config) : limit
}

/**
 * Types the definition against its own config, and gives every kind the corrections of values: they are part of its form,
 * its settings and its mapping.
 */
export const defineConnector = <Schema extends z.ZodObject, R>(
  definition: Omit<ConnectorDefinition<z.output<Schema>, R>, 'config'> & { config: Schema },
): ConnectorDefinition =>
  ({
    ...definition,
    config: definition.config.safeExtend({ valueRules }),
    map: withValueRules(definition.map),
  }) as unknown as ConnectorDefinition
