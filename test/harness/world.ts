import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Client, Connection } from '@temporalio/client'
import type { Duration } from '@temporalio/common'
import { TestWorkflowEnvironment } from '@temporalio/testing'
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker'
import { type Logger, pino } from 'pino'
import { v7 as uuid } from 'uuid'
import type { Deps } from '../../activities/deps.ts'
import { EncryptingCodec } from '../../activities/payload-codec.ts'
import { AccessBook } from '../../connectors/access.ts'
import { Spool } from '../../db/spool.ts'
import { insertSealed } from '../../db/vault.ts'
import { formOf, partSecrets } from '../../domain/form.ts'
import { SEARCH_ATTRIBUTES } from '../../domain/processes.ts'
import { exporterKind } from '../../exporters/kinds.ts'
import { type Queue, type RunningWorkers, startWorkers } from '../../worker/worker.ts'
import { keepWorkflowThreads } from '../../worker/workflow-thread.ts'
import { builtInOrigins } from './built-in.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { keepHistories, ringOfWorld } from './histories.ts'
import { insertConnector, insertPolicy } from './rows.ts'

export interface World extends AsyncDisposable {
  t: TestDatabase
  deps: Deps
  client: Client
  namespace: string
  workers: RunningWorkers
  /** Somebody who works with the platform. */
  staff(name: string, roles: string[]): Promise<string>
  /** An active connector of a kind, as a finished set-up leaves it. */
  connector(kind: string, settings: Record<string, unknown>): Promise<string>
  policy(template: string, name: string): Promise<string>
  destination(kind: string, name: string, settings: Record<string, unknown>): Promise<string>
  comment(subject: 'alert' | 'approval' | 'case', subjectId: string, authorId: string, body: string): Promise<string>
}

export interface WorldOptions {
  /** Which workers run; all of them unless told. */
  queues?: readonly Queue[]
  /** Another Temporal server than the run's. */
  temporalAddress?: string
  /** Where it logs, otherwise as OPENIRM_LOG_LEVEL says. */
  log?: Logger
}

/** A database, a namespace and workers of the test's own, over the run's real servers. */
export async function world(options: WorldOptions = {}): Promise<World> {
  const t = await testDatabase(ringOfWorld())
  const server = await ownNamespace(options.temporalAddress ?? (process.env['OPENIRM_TEST_TEMPORAL_ADDRESS'] as string))
  return over(t, server, options)
}

export interface WaitingWorld extends World {
  /** Lets so much time of the server pass; waits of workflows end on the way. */
  pass(duration: Duration): Promise<void>
}

/**
 * The same over a time-skipping server of its own. It has no Schedules, no listing and no search attributes, and only
 * the server's clock is ahead: activities and the database keep the time of the machine.
 */
export async function waitingWorld(): Promise<WaitingWorld> {
  const before = process.env['OPENIRM_SEARCH_ATTRIBUTES']
  process.env['OPENIRM_SEARCH_ATTRIBUTES'] = 'off'
  const executable = process.env['OPENIRM_TEST_TIME_SKIPPING_SERVER'] as string
  const env = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path: executable } },
  })
  const w = await over(await testDatabase(ringOfWorld()), {
    connection: env.connection,
    native: env.nativeConnection,
    namespace: env.namespace ?? 'default',
    close: async () => {
      await env.teardown()
      if (before === undefined) delete process.env['OPENIRM_SEARCH_ATTRIBUTES']
      else process.env['OPENIRM_SEARCH_ATTRIBUTES'] = before
    },
  })
  return { ...w, pass: (duration) => env.sleep(duration) }
}

interface Server {
  connection: Connection
  native: NativeConnection
  namespace: string
  close(): Promise<void>
}

async function ownNamespace(address: string): Promise<Server> {
  const namespace = `test-${randomBytes(5).toString('hex')}`
  const connection = await Connection.connect({ address })
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  })
  await eventually(() => connection.workflowService.describeNamespace({ namespace }))
  await eventually(() =>
    connection.operatorService.addSearchAttributes({
      namespace,
      // 2: Keyword
      searchAttributes: Object.fromEntries(Object.values(SEARCH_ATTRIBUTES).map((name) => [name, 2])),
    }),
  )
  const native = await NativeConnection.connect({ address })
  return {
    connection,
    native,
    namespace,
    close: async () => {
      await native.close()
      await connection.close()
    },
  }
}

async function over(t: TestDatabase, server: Server, { queues, log }: WorldOptions = {}): Promise<World> {
  const { connection, native, namespace } = server
  const client = new Client({ connection, namespace, dataConverter: { payloadCodecs: [new EncryptingCodec(t.ring)] } })
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-spool-'))
  chmodSync(folder, 0o700)
  const deps: Deps = {
    db: t.db,
    databaseUrl: t.url,
    vault: t.vault,
    spool: new Spool(folder, t.vault),
    temporal: client,
    origin: await builtInOrigins(),
    access: new AccessBook(),
    log: log ?? pino({ level: process.env['OPENIRM_LOG_LEVEL'] ?? 'silent' }),
    publicUrl: 'http://openirm.test',
    version: '0.0.0',
    hostname: 'test',
    allowPrivateAddresses: true,
    maxFileBytes: 1_000_000_000,
  }
  const workers = await startWorkers(deps, {
    connection: native,
    namespace,
    ring: t.ring,
    // Of the run, where there is one: benches make their own.
    ...(process.env['OPENIRM_WORKFLOW_BUNDLE'] ? { bundle: { codePath: process.env['OPENIRM_WORKFLOW_BUNDLE'] } } : {}),
    ...(queues ? { queues } : {}),
  })
  return {
    t,
    deps,
    client,
    namespace,
    workers,
    async staff(name, roles) {
      const id = uuid()
      await t.db.insertInto('staff_member').values({ id, name, roles }).execute()
      return id
    },
    connector: (kind, settings) => insertConnector(t, kind, settings),
    policy: (template, name) => insertPolicy(t, template, name),
    async destination(kind, name, settings) {
      const id = uuid()
      const definition = exporterKind(kind)
      const parts = partSecrets(definition.config, settings)
      if (formOf(definition.config).secrets.length === 0)
        throw new Error('a destination without a secret is not tested here')
      await t.db
        .insertInto('destination')
        .values({
          id,
          kind,
          name,
          state: 'active',
          settings: JSON.stringify(parts.settings),
          secret_id: await insertSealed(t.db, t.vault, 'secret', JSON.stringify(parts.secret)),
        })
        .execute()
      return id
    },
    async comment(subject, subjectId, authorId, body) {
      const id = uuid()
      await t.db
        .insertInto('comment')
        .values({ id, subject_kind: subject, subject_id: subjectId, author_id: authorId, body })
        .execute()
      return id
    },
    async [Symbol.asyncDispose]() {
      await workers.stop()
      await keepHistories(client)
      await server.close()
      rmSync(folder, { recursive: true, force: true })
      await t[Symbol.asyncDispose]()
    },
  }
}

Runtime.install({ logger: new DefaultLogger('WARN', () => {}) })
keepWorkflowThreads()

/** Repeats until it does not throw, or answers something true where `until` asks for it. */
export async function eventually<T>(
  work: () => Promise<T>,
  { timeoutMs = 20_000, until = () => true }: { timeoutMs?: number; until?: (result: T) => boolean } = {},
): Promise<T> {
  const end = Date.now() + timeoutMs
  for (;;) {
    try {
      const result = await work()
      if (until(result) || Date.now() > end) return result
    } catch (error) {
      if (Date.now() > end) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** The code with which work is refused, however deep it lies; undefined when it is not refused. */
export async function refusalOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    let cause = error as { cause?: unknown; type?: string | null; code?: string }
    while (cause.cause) cause = cause.cause as typeof cause
    return cause.type ?? cause.code ?? String(error)
  }
}
