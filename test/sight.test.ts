import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkDestinations, checkPolicies, recordSight } from '../activities/health.ts'
import { checkPrerequisites } from '../activities/prerequisites.ts'
import { sightOf, sightOfDay } from '../activities/sight.ts'
import { importStart } from '../activities/starting.ts'
import { bookBlindness } from '../db/blindness.ts'
import { attest } from '../db/prerequisites.ts'
import { recordedSight } from '../db/sight.ts'
import { dayOf } from '../domain/window.ts'
import { startS3 } from '../sandbox/s3.ts'
import { importFile } from './harness/files.ts'
import { daysAgo, deliver, trailRecord, trailSettings } from './harness/trail.ts'
import { type World, world } from './harness/world.ts'

/** What policies could not see: booked as it happens, written by day, told with shares, and never changed afterwards. */
let w: World
let policyId: string
let s3Id: string
let hrId: string
let s3: Awaited<ReturnType<typeof startS3>>
const HR = {
  scenarios: [
    { scenario: 'resignation', columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' } },
  ],
}

beforeAll(async () => {
  w = await world({ queues: ['imports', 'evaluation'] })
  s3 = await startS3()
  policyId = await w.policy('data-theft-departing-users', 'Leavers')
  s3Id = await w.connector('amazon-s3', trailSettings(s3.endpoint))
  hrId = await w.connector('hr', HR)
  const tenDaysAgo = { created_at: daysAgo(10) }
  await w.t.db.updateTable('policy').set(tenDaysAgo).execute()
  await w.t.db
    .updateTable('connector')
    .set({ activated_at: daysAgo(12) })
    .execute()
}, 60_000)
afterAll(async () => {
  await s3[Symbol.asyncDispose]()
  await w[Symbol.asyncDispose]()
})

const policy = () => ({ id: policyId, template: 'data-theft-departing-users' })
const startOf = (day: string) => new Date(`${day}T00:00:00Z`)
const blindFor = (connectorId: string | null, from: Date, to: Date | null) =>
  sql`insert into policy_blind (id, policy_id, connector_id, check_id, code, detail, guide, from_at, to_at)
    values (gen_random_uuid(), ${policyId}, ${connectorId}, 'listing-allowed', 'credential_expired', 'It ended.', 'g#a', ${from}, ${to})`.execute(
    w.t.db,
  )

test('a day is seen, partly seen or blind, and says why and how much of the activity it touches', async () => {
  const day = dayOf(daysAgo(4))
  const noon = new Date(startOf(day).getTime() + 12 * 3_600_000)
  const sixAfter = new Date(noon.getTime() + 6 * 3_600_000)
  await blindFor(s3Id, noon, sixAfter)
  // Two reasons at once blind once.
  await blindFor(s3Id, noon, new Date(noon.getTime() + 3_600_000))
  deliver(s3, daysAgo(6), [
    trailRecord({ user: 'a@example.com', at: daysAgo(6), key: '1' }),
    trailRecord({ user: 'b@example.com', at: daysAgo(6), key: '2' }),
  ])
  const { type, ...options } = importStart({ connectorId: s3Id, run: 'one', kind: 'amazon-s3', why: 'test' })
  await (await w.client.workflow.start(type, options)).result()

  const rows = await sightOfDay(w.t.db, policy(), day)
  const connected = rows.filter(({ state }) => state !== 'absent')
  expect(connected).toMatchObject([
    {
      need: 'activities:amazon-s3',
      connectorId: s3Id,
      state: 'partly',
      blindSeconds: 6 * 3600,
      peopleShare: 1,
      activityShare: 1,
      reasons: [{ code: 'credential_expired', guide: 'g#a' }, { code: 'credential_expired' }],
    },
    { need: 'facts:resignation', connectorId: hrId, state: 'seen', blindSeconds: 0, peopleShare: null },
  ])
  expect(sightOf(rows)).toBe('partly')
  const before = await sightOfDay(w.t.db, policy(), dayOf(daysAgo(8)))
  expect(sightOf(before)).toBe('seeing')
})

test('days that are over are written once and stay, whatever is booked later', async () => {
  await recordSight(w.deps)()
  const kept = await recordedSight(w.t.db, policyId, dayOf(daysAgo(60)), dayOf(new Date()))
  expect(new Set(kept.map(({ day }) => day)).size).toBe(10)
  expect(kept.filter(({ state }) => state === 'partly').map(({ day }) => day)).toEqual([dayOf(daysAgo(4))])
  await blindFor(s3Id, daysAgo(9), daysAgo(8))
  expect(await recordSight(w.deps)()).toEqual({ days: 0 })
  expect(await recordedSight(w.t.db, policyId, dayOf(daysAgo(60)), dayOf(new Date()))).toEqual(kept)
  await expect(sql`update policy_sight set state = 'seen', blind_seconds = 0`.execute(w.t.db)).rejects.toThrow()
})

test('a source that nobody connected is absent, which blinds only where nothing else brings the same', async () => {
  const id = await w.policy('patient-data-misuse', 'Patients')
  const today = await sightOfDay(w.t.db, { id, template: 'patient-data-misuse' }, dayOf(new Date()))
  expect(Object.fromEntries(today.map(({ need, state }) => [need, state]))).toEqual({
    'activities:healthcare': 'absent',
    'activities:epic': 'absent',
    'facts:employee_profile': 'seen',
  })
  expect(sightOf(today)).toBe('partly')
  const epic = today.map((row) => (row.need === 'activities:epic' ? { ...row, state: 'seen' as const } : row))
  expect(sightOf(epic)).toBe('seeing')
})

test('a policy that lacks profiles is blind by a condition of its own, and sees once they came', async () => {
  const { id } = await w.t.db.selectFrom('policy').select('id').where('name', '=', 'Patients').executeTakeFirstOrThrow()
  expect(await checkPolicies(w.deps)()).toMatchObject({ blind: 1 })
  expect(await checkPolicies(w.deps)()).toMatchObject({ blind: 1 })
  const open = () =>
    w.t.db
      .selectFrom('policy_blind')
      .select(['check_id', 'connector_id'])
      .where('policy_id', '=', id)
      .where('to_at', 'is', null)
      .orderBy('check_id')
      .execute()
  expect(await open()).toEqual([
    { check_id: 'profile-addresses', connector_id: null },
    { check_id: 'profiles-fresh', connector_id: null },
  ])
  const profiles = await w.connector('hr', {
    scenarios: [
      {
        scenario: 'employee_profile',
        columns: { person: 'Email', lastName: 'Last', firstName: 'First', addressLine1: 'Street', zipCode: 'Zip' },
      },
    ],
  })
  const imported = await importFile(
    w,
    profiles,
    'Email,Last,First,Street,Zip\na@example.com,Amber,Ann,1 Elm St,12345\nb@example.com,Birch,Bo,2 Oak St,12345\n',
  )
  expect(imported).toMatchObject({ state: 'completed', stored: 2 })
  expect(await checkPolicies(w.deps)()).toMatchObject({ blind: 0 })
  expect(await open()).toEqual([])
})

test('a concern is told once, in the history and in the audit', async () => {
  await w.t.db
    .updateTable('import')
    .set({ started_at: daysAgo(9), finished_at: daysAgo(8) })
    .where('connector_id', '=', hrId)
    .execute()
  await importFile(w, hrId, 'Email,Notice,LastDay\nz@example.com,2026-01-01Z,2026-02-01Z\n')
  await w.t.db
    .updateTable('import')
    .set({ started_at: daysAgo(9), finished_at: daysAgo(8) })
    .execute()
  for (const _ of [1, 2, 3]) await checkPrerequisites(w.deps)({ connectorId: hrId })
  const told = await w.t.db
    .selectFrom('audit_entry')
    .select('detail')
    .where('action', '=', 'connector.prerequisite-changed')
    .where('subject_id', '=', hrId)
    .execute()
  expect(told.map(({ detail }) => detail)).toEqual([{ check: 'hr-fresh', state: 'unmet', code: 'stale' }])
  const history = await w.t.db
    .selectFrom('prerequisite_change')
    .select(['state', 'code'])
    .where('connector_id', '=', hrId)
    .where('check_id', '=', 'hr-fresh')
    .orderBy('id')
    .execute()
  expect(history.at(-1)).toEqual({ state: 'unmet', code: 'stale' })
})

test('an attestation answers what no check can find out, until it ends', async () => {
  const staffId = await w.staff('Ada', ['admin'])
  const subject = { kind: 'connector' as const, id: s3Id }
  const verdict = async () => {
    await checkPrerequisites(w.deps)({ connectorId: s3Id })
    const { state, code } = await w.t.db
      .selectFrom('prerequisite_status')
      .select(['state', 'code'])
      .where('connector_id', '=', s3Id)
      .where('check_id', '=', 'credential-end')
      .executeTakeFirstOrThrow()
    return [state, code]
  }
  const until = (days: number) =>
    attest(w.t.db, subject, {
      checkId: 'credential-end',
      staffId,
      evidence: 'Seen in the console.',
      expiresAt: daysAgo(-days),
    })
  expect(await verdict()).toEqual(['unknown', 'end_unknown'])
  await until(200)
  expect(await verdict()).toEqual(['met', 'attested'])
  await until(20)
  expect(await verdict()).toEqual(['warning', 'attestation_ends_within_30_days'])
  const ended = await until(1)
  await w.t.db
    .updateTable('prerequisite_attestation')
    .set({ attested_at: daysAgo(3), expires_at: daysAgo(1) })
    .where('id', '=', ended)
    .execute()
  await w.t.db.deleteFrom('prerequisite_attestation').where('id', '<>', ended).execute()
  expect(await verdict()).toEqual(['unknown', 'attestation_ended'])
})

test('a destination that stopped is unmet, and blinds no policy', async () => {
  const id = await w.destination('standard-webhooks', 'siem', {
    url: 'http://127.0.0.1:9/',
    secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
  })
  expect(await checkDestinations(w.deps)()).toEqual({ destinations: 1, unmet: 0 })
  const stop = { code: '401', detail: 'The receiver refuses.', fix: 'Mend it.', at: new Date().toISOString() }
  await w.t.db
    .updateTable('destination')
    .set({ state: 'stopped', stop_reason: JSON.stringify(stop) })
    .where('id', '=', id)
    .execute()
  expect(await checkDestinations(w.deps)()).toEqual({ destinations: 1, unmet: 1 })
  const found = await w.t.db
    .selectFrom('prerequisite_status')
    .select(['check_id', 'state', 'code'])
    .where('destination_id', '=', id)
    .orderBy('check_id')
    .execute()
  expect(found).toEqual([
    { check_id: 'certificate', state: 'met', code: 'not_used' },
    { check_id: 'delivering', state: 'unmet', code: '401' },
  ])
})

test('settings that no longer fit are said by the check that needs them, and keep no other destination waiting', async () => {
  const secret = `whsec_${Buffer.alloc(32, 9).toString('base64')}`
  const id = await w.destination('standard-webhooks', 'misfit', { url: 'http://127.0.0.1:9/', secret })
  await w.t.db.updateTable('destination').set({ settings: '{"surprise":1}' }).where('id', '=', id).execute()
  expect(await checkDestinations(w.deps)()).toEqual({ destinations: 2, unmet: 1 })
  const { state, code } = await w.t.db
    .selectFrom('prerequisite_status')
    .select(['state', 'code'])
    .where('destination_id', '=', id)
    .where('check_id', '=', 'certificate')
    .executeTakeFirstOrThrow()
  expect([state, code]).toEqual(['unknown', 'settings_invalid'])
})

test('a connector without which a policy is blind is named by its check, and its end ends the blindness', async () => {
  const found = {
    checkId: 'reading-allowed',
    state: 'unmet' as const,
    code: 'permission_missing',
    detail: 'x',
    guide: 'g',
  }
  await w.t.db.transaction().execute((tx) => bookBlindness(tx, s3Id, [policyId], [found]))
  const open = () =>
    w.t.db
      .selectFrom('policy_blind')
      .select('code')
      .where('policy_id', '=', policyId)
      .where('check_id', '=', 'reading-allowed')
      .where('to_at', 'is', null)
      .execute()
  expect(await open()).toHaveLength(1)
  // Met with a warning is met.
  await w.t.db
    .transaction()
    .execute((tx) => bookBlindness(tx, s3Id, [policyId], [{ ...found, state: 'warning', code: 'few' }]))
  expect(await open()).toEqual([])
})
