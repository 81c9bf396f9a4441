import { randomInt } from 'node:crypto'
import { type RawBuilder, sql } from 'kysely'
import pg from 'pg'
import { CONNECT_TIMEOUT_MS } from './connection.ts'

/** First half of the advisory locks by which processes say that they live. */
const LOCK_CLASS = 0x0f1a58
const MAX_ID = 2 ** 31 - 1
const AGAIN_AFTER_MS = 1_000

/**
 * Says through the database that this process lives: a lock that its connection holds, and that goes with the process
 * however it ends. A process that lost the connection comes back as somebody else, for what it did meanwhile is unknown.
 */
export class Presence implements AsyncDisposable {
  readonly #url: string
  #id: number | null = null
  #client: pg.Client | undefined
  #closed = false

  private constructor(url: string) {
    this.#url = url
  }

  /** Rejects when the database does not answer. */
  static async open(url: string): Promise<Presence> {
    const presence = new Presence(url)
    await presence.#appear()
    return presence
  }

  /** Who this process is; null while the database is away. */
  get id(): number | null {
    return this.#id
  }

  async #appear(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: 'openirm-presence',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    })
    client.on('error', () => {})
    await client.connect()
    const id = randomInt(1, MAX_ID)
    try {
      await client.query('select pg_advisory_lock_shared($1, $2)', [LOCK_CLASS, id])
    } catch (error) {
      await client.end().catch(() => {})
      throw error
    }
    client.once('end', () => {
      this.#id = null
      this.#return()
    })
    this.#client = client
    this.#id = id
    if (this.#closed) await client.end()
  }

  #return(): void {
    if (this.#closed) return
    setTimeout(() => {
      if (!this.#closed) this.#appear().catch(() => this.#return())
    }, AGAIN_AFTER_MS).unref()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#client?.end().catch(() => {})
  }
}

/** Whether the process that a column names lives; null where the column is null. */
export const isPresent = (column: string): RawBuilder<boolean | null> => sql`
  case when ${sql.ref(column)} is not null then exists (
    select from pg_locks
    where locktype = 'advisory' and granted and objsubid = 2
      and database = (select oid from pg_database where datname = current_database())
      and classid::bigint = ${LOCK_CLASS} and objid::bigint = ${sql.ref(column)}
  ) end`
