import { expect, test } from 'vitest'
import { evaluationStart } from '../activities/starting.ts'
import { startImport } from '../api/processes.ts'
import { openFileImport, openPullImport } from '../db/imports.ts'
import { startS3 } from '../sandbox/s3.ts'
import { startSyslogReceiver } from '../sandbox/syslog-receiver.ts'
import { daysAgo, deliver, trailRecord, trailSettings } from './harness/trail.ts'
import { eventually, type World, world } from './harness/world.ts'

async function importEverything(w: World, endpoint: string): Promise<void> {
  const hr = await w.connector('hr', {
    scenarios: [
      {
        scenario: 'resignation',
        columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' },
      },
    ],
  })
  async function* file() {
    yield Buffer.from(
      `Email,Notice,LastDay\nthief@example.com,${daysAgo(3).toISOString()},${daysAgo(-20).toISOString()}\n`,
    )
  }
  const spooled = await w.deps.spool.put(file(), 10_000)
  const opened = await openFileImport(w.t.db, w.t.vault, {
    connectorId: hr,
    source: 'upload',
    ...spooled,
    fileName: 'hr.csv',
    nominalAt: new Date(),
  })
  const start = { connectorId: hr, importId: opened.importId, run: spooled.sha256, kind: 'hr', why: 'upload' }
  await (await startImport(w.client, start)).result()

  const s3 = await w.connector('amazon-s3', trailSettings(endpoint))
  const { importId } = await openPullImport(w.t.db, { connectorId: s3, source: 'request', nominalAt: new Date() })
  const pull = { connectorId: s3, importId, run: importId, kind: 'amazon-s3', why: 'request' }
  await (await startImport(w.client, pull)).result()
}

test('a policy made after the import sees what was imported before it; syslog has its alert in the end', {
  timeout: 120_000,
}, async () => {
  await using w = await world()
  await using s3 = await startS3()
  const receiver = await startSyslogReceiver()
  try {
    for (let back = 35; back >= 4; back -= 1)
      deliver(s3, daysAgo(back), [trailRecord({ user: 'thief@example.com', at: daysAgo(back) })])
    for (const back of [2, 1]) {
      const night = new Date(`${daysAgo(back).toISOString().slice(0, 10)}T02:00:00Z`)
      const taken = Array.from({ length: 900 }, (_, index) =>
        trailRecord({
          user: 'thief@example.com',
          at: night,
          key: `plans/${back}/${index}`,
          bytes: 20_000_000,
          bucket: `vault-${index % 5}`,
        }),
      )
      deliver(s3, daysAgo(back), taken)
    }
    await importEverything(w, s3.endpoint)
    const rollups = () => w.t.db.selectFrom('indicator_day').select('rollup_key').distinct().execute()
    expect(await rollups()).toEqual([])

    await w.destination('syslog', 'collector', { host: '127.0.0.1', port: receiver.port, transport: 'tcp' })
    const policyId = await w.policy('data-theft-departing-users', 'Leavers')
    receiver.dropConnections()
    const { type, ...options } = evaluationStart(policyId, true)
    await (await w.client.workflow.start(type, options)).result()
    const alerts = await w.t.db.selectFrom('alert').select(['severity', 'state']).execute()
    expect(alerts).toEqual([{ severity: 'high', state: 'needs_review' }])
    expect((await rollups()).length).toBeGreaterThan(2)

    await eventually(async () => receiver.messages.length, { until: (n) => n > 0 })
    expect(receiver.errors).toEqual([])
    expect(JSON.stringify(receiver.messages)).not.toMatch(/thief|example\.com/)
    const sent = await eventually(() => w.t.db.selectFrom('delivery').select('state').execute(), {
      until: (rows) => rows.every(({ state }) => state === 'accepted'),
    })
    expect(sent).toEqual([{ state: 'accepted' }])
  } finally {
    await receiver.close()
  }
})
