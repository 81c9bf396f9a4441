import { once } from 'node:events'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { Connection, Database } from './connection.ts'
import { STATEMENT_TIMEOUT_MS } from './connection.ts'
import type { DB } from './generated/types.ts'

/** Columns of staging in the order in which rows are copied. */
const STAGING_COLUMNS = [
  'ordinal int not null',
  'identity_id bigint not null',
  'at timestamptz(3) not null',
  'source_key uuid not null',
  'supersedes_key uuid',
  'verb text not null',
  'native_event text not null',
  'outcome text not null',
  'actor_kind text not null',
  'container_id bigint',
  'object_key bigint',
  'object_ext text',
  'size_bytes bigint',
  'item_count int',
  'origin_ip inet',
  'origin_network cidr',
  'origin_country text',
  'audience_after text',
  'destination_is_external boolean',
  'flags text[]',
  'source_index int not null',
  'amount double precision',
  'subject_key bigint',
  'subject_name_key bigint',
  'subject_last_name_key bigint',
  'subject_address_key bigint',
  'subject_street_key bigint',
  'subject_department_key bigint',
  'severity text',
  'category text',
  'finding_state text',
  'version_key uuid',
  'version_at timestamptz(3)',
] as const

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r', '\0': '' }
// A NUL cannot be stored in PostgreSQL text: it is left out.
const SPECIAL = /[\\\t\n\r\0]/
const SPECIALS = /[\\\t\n\r\0]/g

/** Text as a cell of COPY's text format. */
export const copyText = (text: string): string =>
  SPECIAL.test(text) ? text.replace(SPECIALS, (found) => ESCAPES[found] as string) : text

/** An array of texts as a cell of COPY's text format. */
export const copyArray = (items: readonly string[]): string =>
  copyText(`{${items.map((item) => `"${item.replace(/["\\]/g, '\\$&')}"`).join(',')}}`)

/** A cell that is null. */
export const COPY_NULL = '\\N'

/** Staged text goes to the server in pieces of so many characters at least. */
const COPY_CHARACTERS = 2 * 1024 * 1024

/**
 * A connection of an import's own with typed staging tables that nobody else sees and that a crash leaves no trace of.
 * Two sessions alternate: one copies the next chunk while the other merges the last.
 */
export class ImportSession implements AsyncDisposable {
  readonly db: Database
  readonly #client: pg.Client
  /** Lines that are not on their way yet. */
  #held = ''
  #copying: Promise<void> = Promise.resolve()

  private constructor(client: pg.Client) {
    this.#client = client
    const borrowed = { query: client.query.bind(client), release: () => {} }
    this.db = new Kysely<DB>({
      dialect: new PostgresDialect({ pool: { connect: async () => borrowed as never, end: async () => {} } }),
    })
  }

  static async open(url: string): Promise<ImportSession> {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'openirm-import',
      connectionTimeoutMillis: 5_000,
      options: `-c statement_timeout=${STATEMENT_TIMEOUT_MS} -c lock_timeout=${STATEMENT_TIMEOUT_MS} -c timezone=UTC -c jit=off -c work_mem=64MB -c random_page_cost=1.1`,
    })
    // A lost connection fails the statement under way; without a listener it would also end the process.
    client.on('error', () => {})
    await client.connect()
    await client.query(`
      create temp table staging_activity (${STAGING_COLUMNS.join(', ')});
      create temp table touched_day (identity_id bigint not null, day date not null, stored int not null);
    `)
    return new ImportSession(client)
  }

  /** Forgets what is staged and which days were touched. */
  async clear(): Promise<void> {
    this.#held = ''
    this.#copying = Promise.resolve()
    await this.#client.query('truncate staging_activity, touched_day')
  }

  /**
   * Adds lines as COPY reads them (see `stagingLine`). They go to the server while the caller prepares the next ones;
   * a failure is met at the next call.
   */
  async append(lines: string): Promise<void> {
    this.#held += lines
    if (this.#held.length >= COPY_CHARACTERS) await this.#send()
  }

  /** Everything that was added is on the server when this returns. */
  async staged(): Promise<void> {
    if (this.#held !== '') await this.#send()
    await this.#copying
  }

  /** Replaces what is staged by these lines. */
  async stage(lines: Iterable<string>): Promise<void> {
    await this.clear()
    for (const line of lines) await this.append(line)
    await this.staged()
  }

  /** Each piece is a statement of its own: a source that makes the import wait keeps none of them open. */
  async #send(): Promise<void> {
    await this.#copying
    const stream = this.#client.query(copyFrom('copy staging_activity from stdin'))
    this.#copying = once(stream, 'finish').then(() => {})
    // Its failure is met by whoever waits for it; until then it must not end the process.
    this.#copying.catch(() => {})
    stream.end(this.#held)
    this.#held = ''
  }

  transaction<T>(work: (tx: Connection) => Promise<T>): Promise<T> {
    return this.db.transaction().execute(work)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end().catch(() => {})
  }
}
