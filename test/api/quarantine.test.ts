import { afterAll, beforeAll, expect, test } from 'vitest'
import { finishImport, runImport } from '../../activities/imports.ts'
import { openRedrive } from '../../db/imports.ts'
import { verifyImports } from '../../db/verify.ts'
import { eventually } from '../harness/world.ts'
import { type Api, api, type Caller } from './api.ts'

let t: Api
let admin: Caller
let hrId: string
let importId: string

const ROWS = [
  'Email,Notice,LastDay',
  'ada@example.com,2026-03-01,2026-03-31',
  // A day before the month, as the mapping does not expect it: three of one kind …
  'bea@example.com,31.03.2026,2026-04-30',
  'cem@example.com,30.03.2026,2026-04-30',
  'dan@example.com,29.03.2026,2026-04-30',
  // … one of another, which begins like a formula …
  '=HYPERLINK(A1),2026-03-01,2026-03-31',
  // … and one in another column.
  'eve@example.com,2026-03-01,in spring',
].join('\n')

const settings = {
  scenarios: [
    {
      scenario: 'resignation',
      columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' },
    },
  ],
}

const ended = (id: string) =>
  eventually(() => admin.get(`/imports/${id}`), { until: ({ body }) => body.state !== 'running' })
const quarantined = (path: string) => `/connectors/${hrId}/quarantined-rows/${path}`

beforeAll(async () => {
  t = await api({ workers: true })
  admin = await t.as('admin')
  hrId = await t.w.connector('hr', settings)
  const uploaded = await admin.post(`/connectors/${hrId}/files?name=hr.csv`, { bytes: ROWS })
  importId = uploaded.body.id
  expect((await ended(importId)).body).toMatchObject({
    received: 6,
    stored: 1,
    quarantined: 5,
    quarantine: { open: 5, redriven: 0, expired: 0 },
  })
})
afterAll(() => t[Symbol.asyncDispose]())

test('open rows are grouped by reason and cell, the largest group first', async () => {
  const { body } = await admin.get(quarantined('groups'))
  expect(body.items.map(({ code, cell, rows, imports }: any) => ({ code, cell, rows, imports }))).toEqual([
    { code: 'date_invalid', cell: 'Notice', rows: 3, imports: 1 },
    { code: 'date_invalid', cell: 'LastDay', rows: 1, imports: 1 },
    { code: 'identifier_invalid', cell: 'Email', rows: 1, imports: 1 },
  ])
  expect(body.items[0].says).toContain('date format')
  const sample = await admin.get(`/quarantined-rows/${body.items[0].sampleRowId}`)
  expect(sample.body.record).toEqual({ email: 'xxx@xxxxxxx.xxx', notice: '99.99.9999', lastday: '9999-99-99' })
})

test('a preview says what other settings would mend, and stores nothing', async () => {
  const asIs = await admin.post(quarantined('preview'), { json: { code: 'date_invalid' } })
  expect(asIs.body).toEqual({
    looked: 4,
    mended: 0,
    ignored: 0,
    rejected: [
      { code: 'date_invalid', cell: 'Notice', rows: 3 },
      { code: 'date_invalid', cell: 'LastDay', rows: 1 },
    ],
  })
  const local = await admin.post(quarantined('preview'), {
    json: { code: 'date_invalid', settings: { dateFormat: 'DD.MM.YYYY' } },
  })
  // The notice is read now; the last working day, written the other way, is what fails next.
  expect(local.body.rejected).toEqual([
    { code: 'date_invalid', cell: 'LastDay', rows: 3 },
    { code: 'date_invalid', cell: 'Notice', rows: 1 },
  ])
  const noLastDay = {
    ...settings,
    dateFormat: 'DD.MM.YYYY',
    scenarios: [
      { scenario: 'resignation', columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'Notice' } },
    ],
  }
  const mended = await admin.post(quarantined('preview'), {
    json: { code: 'date_invalid', cell: 'Notice', settings: noLastDay },
  })
  expect(mended.body).toEqual({ looked: 3, mended: 3, ignored: 0, rejected: [] })
  const wrong = await admin.post(quarantined('preview'), { json: { settings: { dateFormat: 'whenever' } } })
  expect(wrong.body).toMatchObject({ status: 422, code: 'settings_invalid', field: 'dateFormat' })
  expect((await admin.get(quarantined('groups'))).body.items).toHaveLength(3)
})

test('rejected rows are downloaded by their form, with formula cells made harmless, and the read is on record', async () => {
  const { body, headers } = await admin.get(quarantined('download'))
  expect(headers.get('Content-Type')).toContain('text/csv')
  const lines = body.trim().split('\n')
  expect(lines[0]).toBe('import,line,code,cell,expected,email,notice,lastday')
  expect(lines).toHaveLength(6)
  expect(lines[1]).toBe(`${importId},3,date_invalid,Notice,ISO 8601,xxx@xxxxxxx.xxx,99.99.9999,9999-99-99`)
  expect(lines[4]).toContain(`,'=XXXXXXXXX(X9),`.toLowerCase())
  const some = await admin.get(`${quarantined('download')}?code=identifier_invalid`)
  expect(some.body.trim().split('\n')).toHaveLength(2)
  const audited = await t.w.t.db
    .selectFrom('audit_entry')
    .select('detail')
    .where('action', '=', 'quarantined-row.downloaded')
    .orderBy('seq')
    .execute()
  expect(audited.map(({ detail }) => detail)).toEqual([
    { rows: 5, code: null },
    { rows: 1, code: 'identifier_invalid' },
  ])
})

test('a group is re-driven as an import of its own, another is given up, and everything adds up', async () => {
  await admin.patch(`/connectors/${hrId}`, {
    revision: 1,
    json: {
      settings: {
        dateFormat: 'DD.MM.YYYY',
        scenarios: [
          {
            scenario: 'resignation',
            columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'Notice' },
          },
        ],
      },
    },
  })
  const redriven = await admin.post(quarantined('redrive'), { json: { code: 'date_invalid', cell: 'Notice' } })
  expect(redriven.body.rows).toBe(3)
  expect((await ended(redriven.body.importId)).body).toMatchObject({
    source: 'redrive',
    received: 3,
    stored: 3,
    quarantined: 0,
  })
  expect((await admin.post(quarantined('expire'), { json: { cell: 'Email' } })).body).toEqual({ rows: 1 })
  const { body } = await admin.get(`/imports/${importId}`)
  expect(body.quarantine).toEqual({ open: 1, redriven: 3, expired: 1 })
  expect((await admin.get(quarantined('groups'))).body.items).toHaveLength(1)
  expect(await verifyImports(t.w.t.db)).toEqual({ checked: 2, untruth: null })
  await expect(t.w.t.pool.query('update import set stored = stored + 1')).rejects.toMatchObject({
    constraint: 'import_balance',
  })
  await t.w.t.pool.query("delete from quarantined_row where state = 'expired'")
  expect((await verifyImports(t.w.t.db)).untruth).toBe(`import ${importId} quarantined 5 rows, 4 are kept`)
})

test('values that the source writes wrongly are corrected by rules: previewed, kept with the settings, used from then on', async () => {
  const connectorId = await t.w.connector('hr', settings)
  const at = (path: string) => `/connectors/${connectorId}/quarantined-rows/${path}`
  const upload = async (rows: string[]) => {
    const { body } = await admin.post(`/connectors/${connectorId}/files?name=hr.csv`, {
      bytes: ['Email,Notice,LastDay', ...rows].join('\n'),
    })
    return (await ended(body.id)).body
  }
  const first = await upload([
    'fay@example.com,2026-03-01,2026-03-31',
    'user: gus@example.com,2026-03-01,31.03.2026',
    'user: hal@example.com,2026-03-02,n/a',
    'ida@example.com,2026-03-03,30.03.2026',
  ])
  expect(first).toMatchObject({ received: 4, stored: 1, quarantined: 3 })

  const prefix = { rule: 'strip', cell: 'Email', prefix: 'user: ' }
  const dates = { rule: 'date', cell: 'LastDay', format: 'DD.MM.YYYY' }
  const unknown = { rule: 'replace', cell: 'lastday', from: 'n/a', to: '' }
  const preview = async (...rules: unknown[]) =>
    (await admin.post(at('preview'), { json: { settings: { valueRules: rules } } })).body
  expect(await preview(dates)).toMatchObject({ looked: 3, mended: 1 })
  // An empty last working day is one that nobody gave, and still nothing that a resignation can do without.
  expect(await preview(prefix, dates, unknown)).toEqual({
    looked: 3,
    mended: 2,
    ignored: 0,
    rejected: [{ code: 'required_cell_empty', cell: 'LastDay', rows: 1 }],
  })
  expect((await admin.get(`/connectors/${connectorId}`)).body.settings.valueRules).toBeUndefined()

  for (const [rules, field] of [
    [[{ ...dates, format: 'whenever' }], 'valueRules.0.format'],
    [[prefix, { rule: 'guess', cell: 'Email' }], 'valueRules.1.rule'],
    [[{ rule: 'replace', cell: 'Email', from: 'G', to: 'gus@example.com' }], 'valueRules.0.to'],
  ] as const) {
    const json = { settings: { valueRules: rules } }
    const refused = await admin.post(at('preview'), { json })
    expect(refused.body).toMatchObject({ status: 422, code: 'settings_invalid', field })
    expect(JSON.stringify(refused.body)).not.toContain('gus')
    const patched = await admin.patch(`/connectors/${connectorId}`, {
      revision: 1,
      json: { settings: { ...settings, ...json.settings } },
    })
    expect(patched.body).toMatchObject({ status: 422, code: 'settings_invalid', field })
  }

  const valueRules = [prefix, dates]
  const kept = await admin.patch(`/connectors/${connectorId}`, {
    revision: 1,
    json: { settings: { ...settings, valueRules } },
  })
  expect(kept.body).toMatchObject({ revision: 2, settings: { valueRules } })
  const redriven = await admin.post(at('redrive'), { json: {} })
  expect((await ended(redriven.body.importId)).body).toMatchObject({ received: 3, stored: 2, quarantined: 1 })
  expect((await admin.get(at('groups'))).body.items).toMatchObject([{ code: 'date_invalid', cell: 'LastDay', rows: 1 }])
  // What waits is the row as it came, not as the rules left it.
  const [{ sampleRowId }] = (await admin.get(at('groups'))).body.items
  const sample = await admin.get(`/quarantined-rows/${sampleRowId}`)
  expect(sample.body.record).toEqual({ email: 'xxxx: xxx@xxxxxxx.xxx', notice: '9999-99-99', lastday: 'x/x' })
  // The next file is read by the same rules.
  expect(await upload(['user: jan@example.com,2026-03-04,29.03.2026'])).toMatchObject({ stored: 1, quarantined: 0 })
  expect(await verifyImports(t.w.t.db)).toMatchObject({ untruth: expect.stringContaining(importId) })
})

test('of a re-drive that was broken off every row waits once, where it came from, and what was stored is not doubled', async () => {
  const connectorId = await t.w.connector('hr', { ...settings })
  const bytes = ['Email,Notice,LastDay', 'kai@example.com,2026-03-05,31.03.2026', 'lou@example.com,soon,2026-03-31']
  const { body: uploaded } = await admin.post(`/connectors/${connectorId}/files?name=hr.csv`, {
    bytes: bytes.join('\n'),
  })
  expect((await ended(uploaded.id)).body).toMatchObject({ quarantined: 2 })
  const mended = { ...settings, valueRules: [{ rule: 'date', cell: 'LastDay', format: 'DD.MM.YYYY' }] }
  await admin.patch(`/connectors/${connectorId}`, { revision: 1, json: { settings: mended } })

  const { importId: brokenOff } = await t.w.t.db.transaction().execute((tx) => openRedrive(tx, { connectorId }))
  await runImport(t.w.deps, brokenOff, { signal: new AbortController().signal, heartbeat: () => {} })
  await finishImport(t.w.deps)({ importId: brokenOff, outcome: 'cancelled' })
  const statesOf = async (id: string) => {
    const { received, stored, quarantined: rejected, quarantine } = (await admin.get(`/imports/${id}`)).body
    return [received, stored, rejected, quarantine]
  }
  expect(await statesOf(uploaded.id)).toEqual([2, 0, 2, { open: 2, redriven: 0, expired: 0 }])
  expect(await statesOf(brokenOff)).toEqual([2, 1, 1, { open: 0, redriven: 0, expired: 1 }])

  const { body: again } = await admin.post(`/connectors/${connectorId}/quarantined-rows/redrive`, { json: {} })
  expect(again.rows).toBe(2)
  expect((await ended(again.importId)).body).toMatchObject({ received: 2, stored: 0, duplicate: 1, quarantined: 1 })
  expect(await statesOf(uploaded.id)).toEqual([2, 0, 2, { open: 0, redriven: 2, expired: 0 }])
})
