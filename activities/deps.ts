import type { Client } from '@temporalio/client'
import type { Logger } from 'pino'
import type { AccessBook } from '../connectors/access.ts'
import type { OriginLookup } from '../connectors/origin.ts'
import type { Database } from '../db/connection.ts'
import type { Spool } from '../db/spool.ts'
import type { Vault } from '../db/vault.ts'

/** What activities reach the world by. One object per worker. */
export interface Deps {
  db: Database
  /** For sessions of an import's own. */
  databaseUrl: string
  vault: Vault
  spool: Spool
  temporal: Client
  origin: OriginLookup
  /** What the calls of each connector share. */
  access: AccessBook
  log: Logger
  /** Base of the links in alerts, without a trailing slash. */
  publicUrl: string
  version: string
  hostname: string
  /** Receivers on private and loopback addresses are allowed. */
  allowPrivateAddresses: boolean
  /** Files at most, bytes. */
  maxFileBytes: number
  /** Records that an import stores at once; `CHUNK_RECORDS` unless told. */
  chunkRecords?: number | undefined
}
