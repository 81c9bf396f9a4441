import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyAudit } from '../db/verify.ts'
import { type Api, api, type Caller } from './api/api.ts'
import { openirm, type Ran } from './harness/openirm.ts'

/** The command line as operators and admins hold it: processes of their own against a real API and database. */
let t: Api
let operator: Caller
let folder: string
const TIMEOUT = 180_000

const HEADER = 'Email,Notice,LastDay'
const row = (who: string, notice = '2026-03-02T09:00:00Z'): string =>
  `${who}@example.com,${notice},2026-03-31T00:00:00Z`

function file(name: string, ...lines: string[]): string {
  const made = path.join(folder, name)
  writeFileSync(made, lines.join('\n'))
  return made
}

beforeAll(async () => {
  t = await api({ workers: true })
  operator = await t.as('operator')
  folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-cli-'))
  const columns = { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' }
  const id = await t.w.connector('hr', { scenarios: [{ scenario: 'resignation', columns }] })
  await t.w.t.db.updateTable('connector').set({ name: 'HR' }).where('id', '=', id).execute()
}, TIMEOUT)
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await t[Symbol.asyncDispose]()
}, TIMEOUT)

const asOperator = (args: string[], stdin?: string): Promise<Ran> =>
  openirm(['import', 'HR', ...args], {
    env: { OPENIRM_API: t.url, OPENIRM_TOKEN: operator.token },
    ...(stdin === undefined ? {} : { stdin }),
  })

test('files and standard input are imported; the balance and the rejects by line, cell and code are shown', {
  timeout: TIMEOUT,
}, async () => {
  const clean = file('clean.csv', HEADER, row('ann'), row('bob'))
  const mixed = file('mixed.csv', HEADER, row('cleo'), row('dan', 'at Easter'))
  const ran = await asOperator([clean, mixed, '-', '--name', 'piped.csv'], [HEADER, row('eve')].join('\n'))
  expect(ran.err).toBe('')
  expect(ran.out.split('\n')).toEqual([
    'clean.csv: completed: 2 received = 2 stored + 0 duplicate + 0 quarantined + 0 ignored',
    'mixed.csv: completed: 2 received = 1 stored + 0 duplicate + 1 quarantined + 0 ignored',
    '  mixed.csv:3 "Notice": date_invalid, expected ISO 8601',
    '  Correct the mapping and re-drive them, or correct these rows and import the file again: stored rows do not double.',
    'piped.csv: completed: 1 received = 1 stored + 0 duplicate + 0 quarantined + 0 ignored',
    '',
  ])
  expect(ran.code).toBe(1)

  const again = await asOperator([clean])
  expect(again.out).toMatch(/^clean\.csv: these bytes were imported before, at 20\S+Z\n/)
  expect(again.code).toBe(0)
  const rows = await t.w.t.db.selectFrom('import').select('id').execute()
  expect(rows).toHaveLength(3)
})

test('a file that stops its import says why and exits 1; one that cannot be read does not keep the next from being sent', {
  timeout: TIMEOUT,
}, async () => {
  const headless = file('headless.csv', 'Email,Notice', 'fay@example.com,2026-03-02')
  const stopped = await asOperator([headless])
  expect(stopped.out).toContain('headless.csv: failed: 0 received')
  expect(stopped.err).toContain('file_header_missing: the file lacks mapped columns: LastDay')
  expect(stopped.code).toBe(1)

  const missing = path.join(folder, 'missing.csv')
  const ran = await asOperator([missing, folder, file('empty.csv'), file('last.csv', HEADER, row('gil'))])
  expect(ran.err).toContain('missing.csv: file_unreadable:')
  expect(ran.err).toContain(`${folder} is a folder`)
  expect(ran.err).toContain('empty.csv: file_empty: the file is empty')
  expect(ran.out).toContain('last.csv: completed: 1 received = 1 stored')
  expect(ran.code).toBe(2)
})

test('what cannot be tried exits 2 and says how to mend it', { timeout: TIMEOUT }, async () => {
  const some = file('some.csv', HEADER, row('hal'))
  const env = { OPENIRM_API: t.url, OPENIRM_TOKEN: operator.token }
  const auditor = await t.as('auditor')
  const tries: [args: string[], env: Record<string, string>, said: string][] = [
    [['import', 'HR', some], { OPENIRM_API: t.url }, 'setting_missing: OPENIRM_TOKEN is not set'],
    [['import', 'HR', some], { ...env, OPENIRM_TOKEN: 'wrong' }, 'unauthenticated: '],
    [
      ['import', 'HR', some],
      { ...env, OPENIRM_TOKEN: auditor.token },
      "the token's roles do not include listConnectors",
    ],
    [
      ['import', 'HR', some],
      { ...env, OPENIRM_API: 'http://127.0.0.1:1' },
      'api_unreachable: the API at http://127.0.0.1:1',
    ],
    [['import', 'Payroll', some], env, 'Choose one of: HR.'],
    [['import', 'HR'], env, "missing required argument 'file'"],
  ]
  const rans = await Promise.all(tries.map(([args, env]) => openirm(args, { env })))
  for (const [index, { code, out, err }] of rans.entries()) {
    expect(err).toContain(tries[index]?.[2])
    expect([code, out]).toEqual([2, ''])
  }
  expect(rans.every(({ err }) => !err.includes(operator.token))).toBe(true)
})

test('tokens are made, listed and revoked by the database; the secret stands alone on standard output', {
  timeout: TIMEOUT,
}, async () => {
  const env = { DATABASE_URL_FILE: file('database-url', `${t.w.t.url}\n`) }
  const made = await openirm(['token', 'create', '--name', 'Night shift', '--roles', 'operator,siem', '--days', '7'], {
    env,
  })
  expect(made.code).toBe(0)
  const secret = made.out.trim()
  expect(made.out).toMatch(/^oirm_\S+\n$/)
  const me = await t.with(secret).get('/me')
  expect(me.body).toMatchObject({ name: 'Night shift', roles: ['operator', 'siem'] })

  const [id, staffId] = made.err.match(/[0-9a-f-]{36}/g) as [string, string]
  const second = await openirm(['token', 'create', '--name', 'spare', '--staff', staffId], { env })
  expect((await t.with(second.out.trim()).get('/me')).body.staffId).toBe(staffId)

  const list = await openirm(['token', 'list'], { env })
  expect(list.out).toContain(`${id}\tvalid\tuntil `)
  expect(list.out).not.toContain(secret)
  const revoked = await openirm(['token', 'revoke', id], { env })
  expect([revoked.code, revoked.out]).toEqual([0, `token ${id} is revoked\n`])
  expect((await t.with(secret).get('/me')).status).toBe(401)

  const both = await openirm(['token', 'create', '--name', 'x', '--roles', 'analyst,approver'], { env })
  expect([both.code, both.out]).toEqual([1, ''])
  expect(both.err).toContain('no one both asks and approves')
  expect((await openirm(['token', 'create', '--name', 'x', '--roles', 'king'], { env })).code).toBe(2)
  expect((await openirm(['token', 'revoke', '00000000-0000-7000-8000-000000000000'], { env })).err).toContain(
    'not_found',
  )
  expect((await verifyAudit(t.w.t.db)).untruth).toBeNull()
  const audited = await t.w.t.db
    .selectFrom('audit_entry')
    .select(['action', 'staff_id', 'detail'])
    .orderBy('seq')
    .execute()
  expect(audited.filter(({ detail }) => (detail as { by?: string }).by === 'cli').map(({ action }) => action)).toEqual([
    'token.created',
    'token.created',
    'token.revoked',
  ])
})
