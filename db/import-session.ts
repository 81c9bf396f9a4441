import { once } from 'node:events'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { Connection, Database } from './connection.ts'
import { LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS } from './connection.ts'
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

/** One cell of COPY's text format. */
export type CopyCell = string | number | boolean | null | undefined | readonly string[]

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }
const escapeText = (text: string): string =>
  /[\\\t\n\r]/.test(text) ? text.replace(/[\\\t\n\r]/g, (c) => ESCAPES[c] as string) : text

function copyCell(cell: CopyCell): string {
  if (cell === null || cell === undefined) return '\\N'
  if (typeof cell === 'string') return escapeText(cell)
  if (typeof cell === 'object') {
    return escapeText(`{${cell.map((item) => `"${item.replace(/["\\]/g, '\\$&')}"`).join(',')}}`)
  }
  return typeof cell === 'boolean' ? (cell ? 't' : 'f') : String(cell)
}

/** One line of COPY's text format. A NUL cannot be stored in PostgreSQL text: it is left out. */
export const copyLine = (cells: readonly CopyCell[]): string =>
  `${cells.map(copyCell).join('\t').replaceAll('\u0000', '')}\n`

/**
 * A connection of an import's own with typed staging tables that nobody else sees and that a crash leaves no trace of.
 * Two sessions alternate: one copies the next chunk while the other merges the last.
 */
export class ImportSession implements AsyncDisposable {
  readonly db: Database
  readonly #client: pg.Client

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
      options: `-c statement_timeout=${STATEMENT_TIMEOUT_MS} -c lock_timeout=${LOCK_TIMEOUT_MS} -c timezone=UTC -c jit=off -c work_mem=64MB`,
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

  /** Replaces what is staged by these lines (see `copyLine`), as COPY reads them. */
  async stage(lines: Iterable<string>): Promise<void> {
    await this.#client.query('truncate staging_activity, touched_day')
    const stream = this.#client.query(copyFrom('copy staging_activity from stdin'))
    const finished = once(stream, 'finish')
    // A failing write rejects `finished`; waiting for `drain` alone would wait for ever.
    finished.catch(() => {})
    let batch = ''
    for (const line of lines) {
      batch += line
      if (batch.length > 256 * 1024) {
        if (!stream.write(batch)) await Promise.race([once(stream, 'drain'), finished])
        batch = ''
      }
    }
    stream.end(batch)
    await finished
  }

  transaction<T>(work: (tx: Connection) => Promise<T>): Promise<T> {
    return this.db.transaction().execute(work)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end().catch(() => {})
  }
}
