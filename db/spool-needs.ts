import { sql } from 'kysely'
import type { Connection } from './connection.ts'
import { isFileNeeded } from './setups.ts'
import type { Spool } from './spool.ts'

const FILE_LOCK = 0x5b001

/**
 * Held to the end of the transaction by whoever makes a file of the spool needed or drops it: the same bytes lie there
 * once, and one must not drop what another has just come to need.
 */
export const lockFile = (tx: Connection, sha256: string): Promise<unknown> =>
  sql`select pg_advisory_xact_lock(${FILE_LOCK}, hashtext(${sha256}))`.execute(tx)

/** Drops a file that nothing refers to any more. */
export const dropUnneeded = (db: Connection, spool: Spool, sha256: string): Promise<void> =>
  db.transaction().execute(async (tx) => {
    await lockFile(tx, sha256)
    if (!(await isFileNeeded(tx, sha256))) await spool.drop(sha256)
  })
