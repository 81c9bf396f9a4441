import type { Client, ConnectionLike } from '@temporalio/client'
import { sql } from 'kysely'
import type { Database } from '../db/connection.ts'
import { schemaState } from '../db/migrate.ts'
import { openSealed, type Vault } from '../db/vault.ts'
import { AppError, isAppError } from '../domain/errors.ts'
import { SEARCH_ATTRIBUTES } from '../domain/processes.ts'

/** Oldest PostgreSQL that the schema works on. */
const OLDEST_POSTGRES = 150_000
const ASK_TEMPORAL_MS = 10_000

const GRPC = { notFound: 5, permissionDenied: 7, unimplemented: 12 } as const
export const TEMPORAL_FIX = 'Check TEMPORAL_ADDRESS, TEMPORAL_TLS and TEMPORAL_API_KEY, and that the server runs.'

/** Throws, with the way out, what keeps an installation from being served. Nothing is changed. */
export async function checkInstallation(db: Database, temporal: Client, vault: Vault): Promise<void> {
  await checkDatabase(db)
  await checkSchema(db)
  await checkKeys(db, vault)
  await checkTemporal(temporal)
}

export async function checkDatabase(db: Database): Promise<void> {
  let version: number
  try {
    const { rows } = await sql<{ v: string }>`select current_setting('server_version_num') as v`.execute(db)
    version = Number(rows[0]?.v)
  } catch (cause) {
    throw new AppError('database_unavailable', `the PostgreSQL of DATABASE_URL does not answer${reasonOf(cause)}`, {
      cause,
      fix: 'Check address, user and password in DATABASE_URL, and that the server runs.',
    })
  }
  if (version < OLDEST_POSTGRES) {
    throw new AppError('database_unavailable', 'the PostgreSQL of DATABASE_URL is older than 15', {
      fix: 'Use PostgreSQL 15 or newer.',
    })
  }
}

/** The system's or PostgreSQL's own code; their texts may quote the address with its password. */
const reasonOf = (error: unknown): string => {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? ` (${code})` : ''
}

/** Throws schema_mismatch unless the database has the migrations of this version and no others. */
export async function checkSchema(db: Database): Promise<void> {
  const { pending, unknown } = await schemaState(db)
  if (unknown.length > 0) {
    throw new AppError('schema_mismatch', `a newer version has migrated the database (${unknown.at(-1)})`, {
      fix: 'Run that version, or restore the backup that was made before the upgrade.',
    })
  }
  if (pending.length > 0) {
    throw new AppError(
      'schema_mismatch',
      `the database lacks ${pending.length} migrations, the first is ${pending[0]}`,
      {
        fix: 'Make a backup, then run `openirm migrate`.',
      },
    )
  }
}

/**
 * The oldest and the newest sealed value must open: the ring of another installation would serve for a while, sealing
 * under keys that the right one does not have.
 */
async function checkKeys(db: Database, vault: Vault): Promise<void> {
  const ends = (order: 'asc' | 'desc') =>
    db.selectFrom('sealed_value').select('id').orderBy('id', order).limit(1).execute()
  const ids = [...(await ends('asc')), ...(await ends('desc'))].map(({ id }) => id)
  try {
    await openSealed(db, vault, ids)
  } catch (cause) {
    if (!isAppError(cause)) throw cause
    throw new AppError('key_missing', 'the key ring does not open what this database holds', {
      cause,
      fix: 'Restore the key ring that belongs to this database: a backup of both is one.',
    })
  }
}

async function checkTemporal({ connection, options: { namespace } }: Client): Promise<void> {
  const prepare = { fix: 'Run `openirm prepare-temporal`, or set TEMPORAL_NAMESPACE to the one that you mean.' }
  const { known, missing } = await connection.withDeadline(Date.now() + ASK_TEMPORAL_MS, () =>
    temporalState(connection, namespace),
  )
  if (!known) throw new AppError('temporal_unprepared', `Temporal has no namespace ${namespace}`, prepare)
  if (missing.length > 0) {
    throw new AppError('temporal_unprepared', `${namespace} lacks the search attributes ${missing.join(', ')}`, prepare)
  }
}

export interface TemporalState {
  /** Whether the namespace exists. */
  known: boolean
  /** Search attributes that it lacks; empty where the server does not let us look, as hosted ones may not. */
  missing: string[]
}

/** Throws temporal_unavailable when it does not answer. */
export async function temporalState(connection: ConnectionLike, namespace: string): Promise<TemporalState> {
  try {
    await connection.workflowService.describeNamespace({ namespace })
  } catch (cause) {
    if (codeOf(cause) === GRPC.notFound) return { known: false, missing: Object.values(SEARCH_ATTRIBUTES) }
    throw new AppError('temporal_unavailable', 'Temporal does not answer', { cause, fix: TEMPORAL_FIX })
  }
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace })
    return { known: true, missing: Object.values(SEARCH_ATTRIBUTES).filter((name) => !(name in customAttributes)) }
  } catch (error) {
    const code = codeOf(error)
    if (code === GRPC.permissionDenied || code === GRPC.unimplemented) return { known: true, missing: [] }
    // Registered a moment ago: one part of the server knows it before the others do.
    if (code === GRPC.notFound) return { known: true, missing: Object.values(SEARCH_ATTRIBUTES) }
    throw error
  }
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code
