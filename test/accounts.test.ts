import { expect, test } from 'vitest'
import { runImport } from '../activities/imports.ts'
import { closeImport, openPullImport } from '../db/imports.ts'
import { OFFICE_APP, startOffice365 } from '../sandbox/office-365-activity.ts'
import { importing } from './harness/importing.ts'
import { insertConnector } from './harness/rows.ts'

const HOUR_MS = 3_600_000

test('of a deleted and a restored account the newer word counts, in whatever order and however often they arrive', async () => {
  await using vendor = await startOffice365()
  vendor.subscribeAll()
  await using t = await importing()
  const connectorId = await insertConnector(t.t, 'office-365-activity', {
    ...OFFICE_APP,
    apiUrl: vendor.url,
    loginUrl: vendor.url,
    contentTypes: ['Audit.AzureActiveDirectory'],
  })
  const now = Date.now()
  const happened = (Operation: string, upn: string, hoursAgo: number) => ({
    Id: `${Operation} ${upn}`,
    CreationTime: new Date(now - hoursAgo * HOUR_MS).toISOString().slice(0, 19),
    OrganizationId: OFFICE_APP.tenantId,
    RecordType: 8,
    Workload: 'AzureActiveDirectory',
    Operation,
    UserId: 'admin@example.com',
    ObjectId: upn,
  })
  const imported = async (...records: object[]) => {
    vendor.add('Audit.AzureActiveDirectory', records, new Date())
    const { importId } = await openPullImport(t.t.db, {
      connectorId,
      source: 'request',
      nominalAt: new Date(Date.now() + 1_000),
    })
    const balance = await runImport(t.deps, importId, { signal: AbortSignal.timeout(30_000), heartbeat: () => {} })
    await closeImport(t.t.db, importId, { state: 'completed' })
    const facts = await t.t.db
      .selectFrom('fact')
      .select(['kind', 'withdrawn'])
      .where('superseded_at', 'is', null)
      .orderBy('recorded_at')
      .execute()
    return { balance, facts: facts.map(({ kind, withdrawn }) => [kind, withdrawn]) }
  }
  const deleted = happened('Delete user.', 'dana@example.com', 3)

  expect(await imported(deleted)).toMatchObject({
    balance: { received: 2, stored: 2 },
    facts: [['account_deleted', false]],
  })
  expect((await imported(happened('Restore user.', 'dana@example.com', 2))).facts).toEqual([['account_deleted', true]])
  expect(await imported(deleted)).toMatchObject({
    balance: { received: 2, stored: 0, duplicate: 2 },
    facts: [['account_deleted', true]],
  })
  expect(
    (await imported(happened('Restore user.', 'lee@example.com', 1), happened('Delete user.', 'lee@example.com', 2)))
      .facts,
  ).toEqual([
    ['account_deleted', true],
    ['account_deleted', true],
  ])
  expect((await imported(happened('Delete user.', 'kim@example.com', 1))).facts.at(-1)).toEqual([
    'account_deleted',
    false,
  ])
})
