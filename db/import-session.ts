import { once } from 'node:events'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { Connection, Database } from './connection.ts'
import { STATEMENT_TIMEOUT_MS } from './connection.ts'
import type { DB } from './generated/types.ts'
import { connectionError } from './trouble.ts'

/**
 * The temporary table in which a merge notes the person-days that it touched; `may_lose` are days of earlier chunks of
 * which something may count no longer though none of their records was corrected, `is_counted` those whose rollups the
 * import has counted itself.
 */
export const TOUCHED = 'pg_temp.touched_day'

/** A connection of an import's own, on which its chunks are merged one after the other. */
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
      options: `-c statement_timeout=${STATEMENT_TIMEOUT_MS} -c lock_timeout=${STATEMENT_TIMEOUT_MS} -c timezone=UTC -c jit=off -c work_mem=64MB -c random_page_cost=1.1`,
    })
    // A lost connection fails the statement under way with the same error; without a listener it would also end the process.
    client.on('error', connectionError)
    await client.connect().catch((error: Error) => {
      throw connectionError(error)
    })
    await client.query(
      `create temp table touched_day (identity_id bigint not null, day date not null, may_lose boolean not null default false,
        is_counted boolean not null default false) on commit delete rows`,
    )
    return new ImportSession(client)
  }

  /**
   * Sends what a `COPY ... FROM STDIN` of the transaction under way reads. A piece larger than what streams hold back, all
   * but the last few, is sent when the next is asked for. `meanwhile` is called when all is sent and the database has yet
   * to read the end of it.
   */
  async copy(statement: string, pieces: Iterable<Buffer>, meanwhile = () => {}): Promise<void> {
    const stream = this.#client.query(copyFrom(statement))
    const finished = once(stream, 'finish')
    // Its failure is met below; until then it must not end the process.
    finished.catch(() => {})
    for (const piece of pieces) {
      if (stream.errored) break
      if (!stream.write(piece)) await Promise.race([once(stream, 'drain'), finished])
    }
    stream.end()
    meanwhile()
    await finished
  }

  /** `work` in a transaction. It begins without touched days: they go with the transaction that noted them. */
  transaction<T>(work: (tx: Connection) => Promise<T>): Promise<T> {
    return this.db.transaction().execute(work)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end().catch(() => {})
  }
}
