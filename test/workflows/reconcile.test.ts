import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { type Repairs, reconcileRuns } from '../../activities/reconcile.ts'
import { prerequisiteStart, triageStart } from '../../activities/starting.ts'
import * as processes from '../../api/processes.ts'
import { openPullImport } from '../../db/imports.ts'
import { openSetup } from '../../db/setups.ts'
import { workflowId as processId, TASK_QUEUES } from '../../domain/processes.ts'
import { startS3 } from '../../sandbox/s3.ts'
import { raiseAlert, setPolicy } from '../harness/alerts.ts'
import { daysAgo, deliver, trailRecord, trailSettings } from '../harness/trail.ts'
import { eventually, world } from '../harness/world.ts'

const NOTHING: Repairs = {
  schedules: { created: [], updated: [], deleted: [] },
  setups: 0,
  triage: 0,
  approvals: 0,
  untold: 0,
  cases: 0,
  imports: 0,
  uploads: 0,
  backfills: 0,
  evaluations: 0,
  exports: 0,
  nudged: 0,
}

test('whatever is lost or left over in Temporal is repaired from the rows, and the second round finds nothing to do', {
  timeout: 150_000,
}, async () => {
  await using w = await world()
  await using s3 = await startS3()
  deliver(s3, daysAgo(1), [trailRecord({ user: 'a@example.com', at: daysAgo(1) })])
  const reconcile = reconcileRuns(w.deps)
  const settled = () =>
    eventually(reconcile, {
      until: (found) => JSON.stringify(found) === JSON.stringify(NOTHING),
      timeoutMs: 30_000,
    })

  const policyId = await w.policy('data-theft-departing-users', 'Leavers')
  await setPolicy(w, policyId, { approval: { quorum: 1, remindAfterHours: 24, expiresAfterHours: 168 } })
  const connectorId = await w.connector('amazon-s3', trailSettings(s3.endpoint))
  const [analyst, approver] = [await w.staff('Ana', ['analyst']), await w.staff('Per', ['approver'])]
  // One alert waits, one is asked about, one has a case.
  const [waiting, asked, worked] = [
    await raiseAlert(w, policyId),
    await raiseAlert(w, policyId),
    await raiseAlert(w, policyId),
  ]
  const escalate = async (alertId: string) => {
    const commentId = await w.comment('alert', alertId, analyst, 'Ask.')
    const { approvalId } = await processes.escalateAlert(w.client, alertId, {
      staffId: analyst,
      causeKey: 'e',
      commentId,
    })
    return w.t.db
      .selectFrom('approval')
      .selectAll()
      .where('id', '=', approvalId as string)
      .executeTakeFirstOrThrow()
  }
  const { type, ...options } = triageStart(waiting)
  await w.client.workflow.start(type, options)
  const pending = await escalate(asked)
  const approved = await escalate(worked)
  await processes.decideApproval(
    w.client,
    {
      approvalId: approved.id,
      alertId: worked,
      requestedBy: analyst,
      quorum: 1,
      remindAt: null,
      expiresAt: approved.expires_at.toISOString(),
    },
    { staffId: approver, causeKey: 'yes', decision: 'approve', commentId: null },
  )
  const file = await eventually(() => w.t.db.selectFrom('case_file').select('id').executeTakeFirst(), {
    until: (row) => row !== undefined,
  })
  const setup = await w.t.db
    .transaction()
    .execute((tx) => openSetup(tx, { kind: 'hr', name: 'HR', everySeconds: 60, staffId: analyst }))
  const destinationId = await w.destination('syslog', 'collector', {
    host: '127.0.0.1',
    port: 9,
    transport: 'tcp',
  })
  const { importId } = await openPullImport(w.t.db, { connectorId, source: 'request', nominalAt: new Date() })
  await sql`update import set started_at = now() - interval '5 minutes' where id = ${importId}`.execute(w.t.db)

  expect(await reconcile()).toMatchObject({
    schedules: {
      created: expect.arrayContaining([
        `import/${connectorId}`,
        `prerequisites/${connectorId}`,
        `evaluate/${policyId}`,
      ]),
      deleted: [],
    },
    setups: 1,
    imports: 1,
    exports: 1,
  })
  const imported = () => w.t.db.selectFrom('import').select(['state', 'stored']).where('id', '=', importId).execute()
  await eventually(imported, { until: ([row]) => row?.state === 'completed' })
  expect(await imported()).toEqual([{ state: 'completed', stored: 1 }])
  expect(await settled()).toEqual(NOTHING)

  const lost = {
    triage: `triage/${waiting}`,
    approvals: `approval/${pending.id}`,
    cases: `case/${file?.id}`,
    setups: `setup/${setup.connectorId}`,
    exports: `export/${destinationId}`,
  }
  for (const [noun, id] of Object.entries(lost)) {
    await w.client.workflow.getHandle(id).terminate('broken on purpose')
    const found = await eventually(reconcile, { until: (repairs) => repairs[noun as 'triage'] > 0 })
    expect(found, noun).toEqual({ ...NOTHING, [noun]: 1 })
    expect((await w.client.workflow.getHandle(id).describe()).status.name, noun).toBe('RUNNING')
    expect(await settled(), noun).toEqual(NOTHING)
  }

  const schedule = w.client.schedule.getHandle(`import/${connectorId}`)
  await schedule.pause('by hand')
  await eventually(reconcile, { until: ({ schedules }) => schedules.updated.length > 0 })
  expect((await schedule.describe()).state.paused).toBe(false)
  await schedule.delete()
  const { type: workflowType, workflowId, taskQueue, args } = prerequisiteStart(connectorId, 'amazon-s3')
  await w.client.schedule.create({
    scheduleId: 'import/nobody',
    spec: { intervals: [{ every: '1 day' }] },
    action: { type: 'startWorkflow', workflowType, workflowId, taskQueue, args },
  })
  const changed = { created: new Set<string>(), deleted: new Set<string>() }
  await eventually(
    async () => {
      const { schedules } = await reconcile()
      for (const id of schedules.created) changed.created.add(id)
      for (const id of schedules.deleted) changed.deleted.add(id)
    },
    { until: () => changed.created.size + changed.deleted.size === 2 },
  )
  expect([...changed.created, ...changed.deleted]).toEqual([`import/${connectorId}`, 'import/nobody'])
  expect(await settled()).toEqual(NOTHING)
  const round = { workflowId: processId.reconcile, taskQueue: TASK_QUEUES.triage, args: [] }
  expect(await w.client.workflow.execute('reconcile', round)).toMatchObject(NOTHING)
})
