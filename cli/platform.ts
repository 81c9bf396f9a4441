import os from 'node:os'
import path from 'node:path'
import { Client, Connection, type ConnectionOptions } from '@temporalio/client'
import {
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  type NativeConnectionOptions,
  Runtime,
} from '@temporalio/worker'
import { destination, type Logger, pino } from 'pino'
import type { Deps } from '../activities/deps.ts'
import { CHUNK_RECORDS_AT_MOST } from '../activities/importing/drafts.ts'
import { EncryptingCodec } from '../activities/payload-codec.ts'
import { AccessBook } from '../connectors/access.ts'
import { openOriginLookup } from '../connectors/origin.ts'
import { createDatabase, createPool } from '../db/connection.ts'
import type { KeyRing } from '../db/keyring.ts'
import { Spool } from '../db/spool.ts'
import { Vault } from '../db/vault.ts'
import { AppError } from '../domain/errors.ts'
import { type Queue, startWorkers } from '../worker/worker.ts'
import { checkInstallation, TEMPORAL_FIX } from './checks.ts'
import { dataDirectory } from './data-directory.ts'
import { countIn } from './environment.ts'

const MAX_FILE_BYTES = 5 * 1024 ** 3

export interface PlatformAddresses {
  databaseUrl: string
  temporalAddress: string
  namespace?: string
  /** How a Temporal server that is not on this machine is spoken to. */
  temporalAccess?: Pick<ConnectionOptions, 'tls'> & { apiKey?: string }
  /** Base of links to this platform; OPENIRM_PUBLIC_URL goes first. */
  publicUrl?: string
}

export interface Platform extends AsyncDisposable {
  deps: Deps
  /** Throws what keeps this installation from being served, with its way out. */
  check(): Promise<void>
  /** Serves queues until stopped; settles when the workers have ended. */
  work(queues?: readonly Queue[]): Promise<{ done: Promise<void>; stop(): Promise<void> }>
}

/** Everything that API and workers share, opened against a database and a Temporal server. */
export async function openPlatform(addresses: PlatformAddresses, ring: KeyRing, env = process.env): Promise<Platform> {
  const logFile = env['OPENIRM_LOG_FILE']
  const log = pino(
    {
      level: env['OPENIRM_LOG_LEVEL'] ?? 'info',
      redact: { paths: ['err.stack', 'err.detail'], remove: true },
    },
    // Synchronous: what was logged before a crash is what one wants to read after it.
    logFile ? destination({ dest: logFile, mkdir: true, sync: true }) : destination(1),
  )
  const namespace = addresses.namespace ?? 'default'
  const pool = createPool(addresses.databaseUrl, {
    max: 20,
    onIdleError: () => log.warn('a database connection was lost'),
  })
  const vault = new Vault(ring)
  const access = { address: addresses.temporalAddress, ...addresses.temporalAccess }
  const connection = await connected(() => Connection.connect(access))
  const deps: Deps = {
    db: createDatabase(pool),
    databaseUrl: addresses.databaseUrl,
    vault,
    spool: new Spool(env['OPENIRM_SPOOL_DIR'] ?? path.join(dataDirectory(env), 'spool'), vault),
    temporal: new Client({ connection, namespace, dataConverter: { payloadCodecs: [new EncryptingCodec(ring)] } }),
    origin: await openOriginLookup(),
    access: new AccessBook(),
    log,
    publicUrl: (env['OPENIRM_PUBLIC_URL'] ?? addresses.publicUrl ?? 'http://127.0.0.1:8080').replace(/\/$/, ''),
    version: '0.1.0',
    hostname: os.hostname().replace(/[^\x21-\x7e]/g, '') || 'openirm',
    allowPrivateAddresses: env['OPENIRM_ALLOW_PRIVATE_ADDRESSES'] === 'true',
    maxFileBytes: countIn(env, 'OPENIRM_MAX_FILE_BYTES') ?? MAX_FILE_BYTES,
    chunkRecords: countIn(env, 'OPENIRM_CHUNK_RECORDS', CHUNK_RECORDS_AT_MOST),
  }
  const native = await openNative(log, access).catch(async (error: unknown) => {
    await connection.close()
    await deps.db.destroy()
    throw error
  })
  return {
    deps,
    check: () => checkInstallation(deps.db, deps.temporal, vault),
    work: (queues) =>
      startWorkers(deps, {
        connection: native,
        namespace,
        ring,
        ...(queues ? { queues } : {}),
        ...(env['OPENIRM_WORKFLOW_BUNDLE'] ? { bundle: { codePath: env['OPENIRM_WORKFLOW_BUNDLE'] } } : {}),
      }),
    async [Symbol.asyncDispose]() {
      await native.close()
      await connection.close()
      await deps.db.destroy()
    },
  }
}

/** The connection of workers. What forwards the native log keeps a process alive, so it goes when nothing opens. */
async function openNative(log: Logger, access: NativeConnectionOptions): Promise<NativeConnection> {
  const logLine = { INFO: 'info', WARN: 'warn', ERROR: 'error' } as Record<string, 'info' | 'warn' | 'error'>
  Runtime.install({
    logger: new DefaultLogger('WARN', ({ level, message }) =>
      log[logLine[level] ?? 'info']({ from: 'temporal' }, message),
    ),
    // What the native part has to say belongs into the same log, not onto the terminal.
    telemetryOptions: { logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) } },
  })
  try {
    return await connected(() => NativeConnection.connect(access))
  } catch (error) {
    await Runtime.instance().shutdown()
    throw error
  }
}

export async function connected<C>(connect: () => Promise<C>): Promise<C> {
  try {
    return await connect()
  } catch (cause) {
    throw new AppError('temporal_unavailable', 'Temporal cannot be reached', {
      cause,
      fix: TEMPORAL_FIX,
    })
  }
}
