import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { MockActivityEnvironment } from '@temporalio/testing'
import { DefaultLogger } from '@temporalio/worker'
import { type Activities, createActivities } from '../../activities/index.ts'
import { EncryptingCodec } from '../../activities/payload-codec.ts'
import { createDatabase, createPool } from '../../db/connection.ts'
import { sha256 } from '../../db/hash.ts'
import { openFileImport, openPullImport } from '../../db/imports.ts'
import { Spool } from '../../db/spool.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import { type S3StandIn, startS3 } from '../../sandbox/s3.ts'
import { startWebhookReceiver, type WebhookReceiver } from '../../sandbox/webhook-receiver.ts'
import { daysAgo, deliver, trailRecord, trailSettings } from '../harness/trail.ts'
import { type World, world } from '../harness/world.ts'
import { type CallFaults, callFaults } from './call-faults.ts'
import { keep, restore } from './state.ts'
import { type StatementProxy, startStatementProxy } from './statement-proxy.ts'

export type ActivityName = keyof Activities
export type InputOf<Name extends ActivityName> = Parameters<Activities[Name]>[0]

/** Where activities are tried out: a source, a receiver, staff, and one leaver's alert with its delivery. */
export interface Stage extends AsyncDisposable {
  w: World
  /** Activities that reach the database and Temporal by lines that can be broken. */
  activities: Activities
  statements: StatementProxy
  calls: CallFaults
  receiver: WebhookReceiver
  spoolFolder: string
  analyst: string
  approver: string
  hrId: string
  s3Id: string
  policyId: string
  destinationId: string
  alertId: string
  run<Name extends ActivityName>(name: Name, input: InputOf<Name>): Promise<Awaited<ReturnType<Activities[Name]>>>
  /** An import of this text that waits to be run. */
  file(text: string): Promise<string>
  pull(): Promise<string>
  /** Back to how the stage was when it was opened. */
  reset(): Promise<void>
}

/** Activities are expected to fail here. */
const silent = new DefaultLogger('ERROR', () => {})

const HR_SCENARIOS = [
  { scenario: 'resignation', columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' } },
]
export const hrRow = (name: string): string =>
  `${name}@example.com,${daysAgo(3).toISOString()},${daysAgo(-20).toISOString()}`
export const HR_HEADER = 'Email,Notice,LastDay'
export const hrSettings = { assumedZone: 'UTC', scenarios: HR_SCENARIOS }

export async function openStage(): Promise<Stage> {
  const w = await world({ queues: [] })
  const s3 = await startS3({ maxKeys: 3 })
  const receiver = await startWebhookReceiver()
  const statements = await startStatementProxy(w.t.url)
  const calls = callFaults()
  const connection = await Connection.connect({
    address: process.env['OPENIRM_TEST_TEMPORAL_ADDRESS'] as string,
    interceptors: [calls.interceptor],
  })
  const pool = createPool(statements.url, { max: 6 })
  const spoolFolder = mkdtempSync(path.join(os.tmpdir(), 'openirm-stage-'))
  const deps = {
    ...w.deps,
    db: createDatabase(pool),
    databaseUrl: statements.url,
    spool: new Spool(spoolFolder, w.t.vault),
    temporal: new Client({
      connection,
      namespace: w.namespace,
      dataConverter: { payloadCodecs: [new EncryptingCodec(w.t.ring)] },
    }),
  }
  const activities = createActivities(deps)

  const stage: Stage = {
    w,
    activities,
    statements,
    calls,
    receiver,
    spoolFolder,
    analyst: await w.staff('Ana', ['analyst']),
    approver: await w.staff('Per', ['approver']),
    hrId: await w.connector('hr', hrSettings),
    s3Id: await w.connector('amazon-s3', trailSettings(s3.endpoint)),
    policyId: await smallPolicy(w),
    destinationId: await w.destination('standard-webhooks', 'siem', { url: receiver.url, secret: receiver.secret }),
    alertId: '',
    run: (name, input) =>
      new MockActivityEnvironment({}, { logger: silent }).run(activities[name] as never, input) as never,
    async file(text) {
      async function* bytes() {
        yield Buffer.from(text)
      }
      const spooled = await deps.spool.put(bytes(), 1_000_000)
      const opened = await openFileImport(w.t.db, w.t.vault, {
        connectorId: stage.hrId,
        source: 'upload',
        ...spooled,
        fileName: 'hr.csv',
        nominalAt: new Date(),
      })
      return opened.importId
    },
    async pull() {
      const source = { connectorId: stage.s3Id, source: 'request' as const, nominalAt: new Date() }
      return (await openPullImport(w.t.db, source)).importId
    },
    async reset() {
      await restore(w.t.pool, 'opened')
      for (const name of readdirSync(spoolFolder)) rmSync(path.join(spoolFolder, name))
      receiver.faults.clear()
      receiver.attempts.length = 0
    },
    async [Symbol.asyncDispose]() {
      await deps.db.destroy()
      await connection.close()
      await statements[Symbol.asyncDispose]()
      await receiver.close()
      await s3[Symbol.asyncDispose]()
      rmSync(spoolFolder, { recursive: true, force: true })
      await w[Symbol.asyncDispose]()
    },
  }
  await raiseAlert(stage, s3)
  await keep(w.t.pool, 'opened')
  return stage
}

/** Three indicators say what fourteen would, and cost less. */
async function smallPolicy(w: World): Promise<string> {
  const policyId = await w.policy('data-theft-departing-users', 'Leavers')
  const { definition } = await w.t.db.selectFrom('policy_version').select('definition').executeTakeFirstOrThrow()
  const whole = definition as unknown as { indicators: { id: string }[] }
  const kept = ['s3-bulk-read', 's3-read-volume', 's3-first-seen-bucket']
  const small = canonicalJson({ ...whole, indicators: whole.indicators.filter(({ id }) => kept.includes(id)) })
  await w.t.db.transaction().execute(async (tx) => {
    await tx
      .insertInto('policy_version')
      .values({ policy_id: policyId, version: 2, definition: small, sha256: sha256(small), note: 'smaller' })
      .execute()
    await tx.updateTable('policy').set({ version: 2 }).where('id', '=', policyId).execute()
  })
  return policyId
}

/** Somebody who has given notice takes data by night: imported and evaluated, so that there is an alert. */
async function raiseAlert(stage: Stage, s3: S3StandIn): Promise<void> {
  for (let back = 20; back >= 4; back -= 1)
    deliver(s3, daysAgo(back), [trailRecord({ user: 'leaver@example.com', at: daysAgo(back) })])
  const night = new Date(`${daysAgo(1).toISOString().slice(0, 10)}T02:00:00Z`)
  const taken = Array.from({ length: 160 }, (_, index) =>
    trailRecord({
      user: 'leaver@example.com',
      at: night,
      key: `plans/${index}.pdf`,
      bytes: 400_000_000,
      ip: '200.160.2.3',
      bucket: `vault-${index % 5}`,
    }),
  )
  deliver(s3, daysAgo(1), [...taken, taken[0]])
  for (const importId of [await stage.file([HR_HEADER, hrRow('leaver')].join('\n')), await stage.pull()]) {
    await stage.run('importRecords', { importId })
    await stage.run('finishImport', { importId, outcome: 'completed' })
  }
  await stage.run('buildRollups', { policyId: stage.policyId })
  const evaluated = await stage.run('evaluatePolicy', evaluation(stage))
  stage.alertId = evaluated.alertsCreated[0] as string
  if (!stage.alertId) throw new Error('the stage has no alert')
  // A night of its own for those who import: late, and not yet read.
  deliver(s3, daysAgo(0), [
    ...Array.from({ length: 40 }, (_, index) =>
      trailRecord({ user: `colleague${index % 3}@example.com`, at: daysAgo(0), key: `notes/${index}`, bucket: 'desk' }),
    ),
    taken[1],
  ])
}

export const evaluation = (stage: Stage): InputOf<'evaluatePolicy'> => ({
  policyId: stage.policyId,
  asOf: new Date().toISOString(),
  everybody: false,
})
