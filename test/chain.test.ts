import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { addCaseNote, decideApproval, escalateAlert, resolveCase, startImport } from '../api/processes.ts'
import { openFileImport, openPullImport } from '../db/imports.ts'
import { verifyAudit, verifyExports, verifyReceipts } from '../db/verify.ts'
import { TASK_QUEUES } from '../domain/processes.ts'
import { startS3 } from '../sandbox/s3.ts'
import { startWebhookReceiver } from '../sandbox/webhook-receiver.ts'
import { daysAgo, deliver, trailRecord, trailSettings } from './harness/trail.ts'
import { eventually, type World, world } from './harness/world.ts'

async function importFile(w: World, connectorId: string, text: string) {
  async function* bytes() {
    yield Buffer.from(text)
  }
  const spooled = await w.deps.spool.put(bytes(), 1_000_000)
  const opened = await openFileImport(w.t.db, w.t.vault, {
    connectorId,
    source: 'upload',
    ...spooled,
    fileName: 'hr.csv',
    nominalAt: new Date(),
  })
  const run = await startImport(w.client, {
    connectorId,
    importId: opened.importId,
    run: spooled.sha256,
    kind: 'hr',
    why: 'upload',
  })
  await run.result()
  return w.t.db.selectFrom('import').selectAll().where('id', '=', opened.importId).executeTakeFirstOrThrow()
}

async function pull(w: World, connectorId: string) {
  const { importId } = await openPullImport(w.t.db, { connectorId, source: 'request', nominalAt: new Date() })
  const run = await startImport(w.client, { connectorId, importId, run: importId, kind: 'amazon-s3', why: 'request' })
  await run.result()
  return w.t.db.selectFrom('import').selectAll().where('id', '=', importId).executeTakeFirstOrThrow()
}

const balance = (row: {
  received: number
  stored: number
  duplicate: number
  quarantined: number
  ignored: number
}) => ({
  received: row.received,
  stored: row.stored,
  duplicate: row.duplicate,
  quarantined: row.quarantined,
  ignored: row.ignored,
})

test('a leaver who takes data becomes an alert, an approval, a case, and a SIEM has every version', {
  timeout: 120_000,
}, async () => {
  await using w = await world()
  await using s3 = await startS3({ maxKeys: 3 })
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  await using receiver = await startWebhookReceiver({ secret })

  const policyId = await w.policy('data-theft-departing-users', 'Leavers')
  const destinationId = await w.destination('standard-webhooks', 'siem', { url: receiver.url, secret })
  const hrId = await w.connector('hr', {
    assumedZone: 'UTC',
    scenarios: [
      { scenario: 'resignation', columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' } },
    ],
  })
  const s3Id = await w.connector('amazon-s3', trailSettings(s3.endpoint))

  // Weeks of ordinary work, then two nights of taking; somebody else leaves without taking anything.
  for (let back = 35; back >= 4; back -= 1) {
    deliver(s3, daysAgo(back), [
      trailRecord({ user: 'thief@example.com', at: daysAgo(back) }),
      trailRecord({ user: 'honest@example.com', at: daysAgo(back) }),
    ])
  }
  for (const back of [2, 1]) {
    const night = new Date(`${daysAgo(back).toISOString().slice(0, 10)}T02:00:00Z`)
    const taken = Array.from({ length: 900 }, (_, index) =>
      trailRecord({
        user: 'thief@example.com',
        at: night,
        key: `plans/${back}/${index}.pdf`,
        bytes: 20_000_000,
        ip: '200.160.2.3',
        bucket: `vault-${index % 5}`,
      }),
    )
    deliver(s3, daysAgo(back), [...taken, taken[0]])
  }
  deliver(s3, daysAgo(1), gzipSync('{"Records":[').subarray(0, 15))

  const hr = await importFile(
    w,
    hrId,
    [
      'Email,Notice,LastDay',
      `thief@example.com,${daysAgo(3).toISOString()},${daysAgo(-20).toISOString()}`,
      `honest@example.com,${daysAgo(3).toISOString()},${daysAgo(-20).toISOString()}`,
      'broken,row',
    ].join('\n'),
  )
  expect(balance(hr)).toEqual({ received: 3, stored: 2, duplicate: 0, quarantined: 1, ignored: 0 })
  const pulled = await pull(w, s3Id)
  expect(balance(pulled)).toEqual({ received: 1867, stored: 1864, duplicate: 2, quarantined: 1, ignored: 0 })
  expect(balance(await pull(w, s3Id))).toEqual({ received: 0, stored: 0, duplicate: 0, quarantined: 0, ignored: 0 })

  const alerts = await eventually(() => w.t.db.selectFrom('alert').selectAll().execute(), {
    until: (rows) => rows.length > 0,
  })
  expect(alerts.map(({ policy_id, state, severity }) => ({ policy_id, state, severity }))).toEqual([
    { policy_id: policyId, state: 'needs_review', severity: 'high' },
  ])
  const alertId = alerts[0]?.id as string

  const analyst = await w.staff('Ana', ['analyst'])
  const approver = await w.staff('Per', ['approver'])
  const why = await w.comment('alert', alertId, analyst, 'Two nights of reading everything.')
  const escalation = { staffId: analyst, causeKey: 'escalate', commentId: why }
  const asked = await escalateAlert(w.client, alertId, escalation)
  expect(await escalateAlert(w.client, alertId, escalation)).toEqual(asked)
  const row = await w.t.db.selectFrom('approval').selectAll().executeTakeFirstOrThrow()
  const approval = {
    approvalId: row.id,
    alertId,
    requestedBy: analyst,
    quorum: row.quorum,
    remindAt: null,
    expiresAt: row.expires_at.toISOString(),
  }
  expect(asked.approvalId).toBe(row.id)
  const self = { staffId: analyst, causeKey: 'self', decision: 'approve' as const, commentId: null }
  await expect(decideApproval(w.client, approval, self)).rejects.toMatchObject({
    cause: { type: 'approval_self_decision' },
  })
  const yes = { staffId: approver, causeKey: 'yes', decision: 'approve' as const, commentId: null }
  expect(await decideApproval(w.client, approval, yes)).toEqual({
    approvalId: row.id,
    state: 'approved',
    approvals: 1,
    quorum: 1,
  })

  const opened = await eventually(() => w.t.db.selectFrom('case_file').selectAll().executeTakeFirst(), {
    until: (found) => found !== undefined,
  })
  const caseId = opened?.id as string
  const note = await w.comment('case', caseId, analyst, 'Asked the team.')
  await addCaseNote(w.client, caseId, { staffId: analyst, causeKey: 'note', commentId: note })
  const reason = await w.comment('case', caseId, analyst, 'Confirmed with the team.')
  const resolution = {
    staffId: analyst,
    causeKey: 'resolve',
    commentId: reason,
    resolution: 'confirmed_violation' as const,
  }
  expect(await resolveCase(w.client, caseId, resolution)).toMatchObject({ caseId, state: 'resolved' })

  await eventually(async () => receiver.messages.length, { until: (n) => n >= 4 })
  expect(receiver.messages.map(({ body }) => [body.data.sequence, body.type])).toEqual([
    [1, 'insider_risk.alert.created'],
    [2, 'insider_risk.alert.escalation_requested'],
    [3, 'insider_risk.alert.escalated'],
    [4, 'insider_risk.alert.resolved'],
  ])
  expect(receiver.forged).toBe(0)
  expect(JSON.stringify(receiver.messages)).not.toMatch(/thief|honest|example\.com/)
  // The receiver has the message a moment before its answer is booked.
  const sequence = await eventually(
    () =>
      w.t.db
        .selectFrom('destination')
        .select(['accepted_number', 'last_number'])
        .where('id', '=', destinationId)
        .executeTakeFirstOrThrow(),
    { until: ({ accepted_number, last_number }) => accepted_number === last_number },
  )
  expect(sequence).toEqual({ accepted_number: 4, last_number: 4 })

  await w.client.workflow.execute('dailyManifests', {
    workflowId: 'manifests',
    taskQueue: TASK_QUEUES.exports,
    args: [{ day: daysAgo(0).toISOString().slice(0, 10) }],
  })
  await eventually(async () => receiver.messages.length, { until: (n) => n >= 5 })
  const manifest = receiver.messages.at(-1)?.body.data
  expect(manifest).toMatchObject({ type: 'manifest', sequence: 5, first_number: 1, last_number: 4, count: 4 })

  expect(await verifyReceipts(w.t.db)).toEqual({ checked: 1, untruth: null })
  expect(await verifyExports(w.t.db)).toEqual({ checked: 5, untruth: null })
  expect((await verifyAudit(w.t.db)).untruth).toBeNull()

  const altered = async (statement: string, verify: (db: World['t']['db']) => Promise<{ untruth: string | null }>) => {
    const undo = new Error('taken back')
    let untruth: string | null = null
    await w.t.db
      .transaction()
      .execute(async (tx) => {
        // What somebody with the keys of the database could do.
        await sql`set local session_replication_role = replica`.execute(tx)
        await sql.raw(statement).execute(tx)
        untruth = (await verify(tx as unknown as World['t']['db'])).untruth
        throw undo
      })
      .catch((error) => {
        if (error !== undo) throw error
      })
    return untruth
  }
  expect(await altered('update receipt set score = score - 0.1', verifyReceipts)).toMatch(/^receipt .*: the score is/)
  expect(await altered('update alert set score = score - 0.1', verifyReceipts)).toMatch(
    /^alert .* differs from its latest version/,
  )
  expect(await altered("update audit_entry set detail = '{}' where seq = 2", verifyAudit)).toBe(
    'audit entry 2 was changed',
  )
  expect(await altered('delete from audit_entry where seq = 2', verifyAudit)).toBe('audit entry 2 is missing')
  const forged = "update delivery set payload = replace(payload, 'high', 'low') where number = 1"
  expect(await altered(forged, verifyExports)).toMatch(/^delivery 1 .* does not match its hash/)
  // One that was told before events said why is true of its version; only the manifest counted other bytes.
  const earlier = `update delivery set payload = earlier, payload_sha256 = encode(sha256(convert_to(earlier, 'UTF8')), 'hex')
    from (select number as of, replace(payload, '"because":null,', '') as earlier from delivery) told where of = number and number = 1`
  expect(await altered(earlier, verifyExports)).toMatch(/^delivery 5 .* manifest is not true/)
  expect(await altered('delete from delivery where number = 3', verifyExports)).toMatch(/^delivery 3 .* is missing/)
})
