import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EncryptingCodec } from '../activities/payload-codec.ts'
import { lookAtApi } from '../cli/demo/scan/api.ts'
import { lookAtDatabase } from '../cli/demo/scan/database.ts'
import { lookAtFiles } from '../cli/demo/scan/files.ts'
import { Looking } from '../cli/demo/scan/looking.ts'
import { Needles } from '../cli/demo/scan/needles.ts'
import { needlesOf } from '../cli/demo/scan/scan.ts'
import { lookAtTemporal } from '../cli/demo/scan/temporal.ts'
import { generateOrganisation } from '../sandbox/organisation/index.ts'
import { type Api, api } from './api/api.ts'

/** The privacy scan of the demo: a name planted on a surface is found there, by its place. */
const TIMEOUT = 60_000
let t: Api
beforeAll(async () => {
  t = await api({ workers: false })
}, TIMEOUT)
afterAll(() => t[Symbol.asyncDispose](), TIMEOUT)

const looking = (...texts: string[]) =>
  new Looking(new Needles(texts.map((text) => ({ text, what: `needle ${text}` }))))

test('a text is found wherever it lies in a stream, however the stream is cut, in any spelling', () => {
  const needles = new Needles(
    ['Ströterflächhuber', 'Żmudiniorkowicz', 'thraxelbyshaw', 'E1234567K'].map((text) => ({ text, what: text })),
  )
  const spellings: [string, string][] = [
    ['Ströterflächhuber', 'Ströterflächhuber'],
    ['STRÖTERFLÄCHHUBER', 'Ströterflächhuber'],
    ['Ströterflächhuber'.normalize('NFD'), 'Ströterflächhuber'],
    [encodeURIComponent('Ströterflächhuber'), 'Ströterflächhuber'],
    ['str\\u00f6terfl\\u00E4chhuber', 'Ströterflächhuber'],
    ['żmudiniorkowicz', 'Żmudiniorkowicz'],
    ['THRAXelbyshaw', 'thraxelbyshaw'],
    ['e1234567k', 'E1234567K'],
  ]
  for (const [spelling, what] of spellings) {
    for (let before = 0; before < 9; before += 1) {
      const bytes = Buffer.concat([Buffer.alloc(before, 0xb6), Buffer.from(spelling), Buffer.from('.')])
      for (const cut of [0, 1, before + 2, bytes.length - 2, bytes.length]) {
        const search = needles.search()
        const found = [...search(bytes.subarray(0, cut)), ...search(bytes.subarray(cut))]
        expect(found, `${spelling} behind ${before}, cut at ${cut}`).toEqual([{ what, offset: before }])
      }
    }
  }
  const search = needles.search()
  expect(search(Buffer.from('stroterflachhuber thraxelbysha E1234567 zmudiniorkowicz'))).toEqual([])
})

test(
  'all names of a hundred thousand people can be looked for at once, and random bytes hold none of them',
  () => {
    const organisation = generateOrganisation({ seed: 3, people: 100_000, until: new Date('2026-11-23T02:00:00Z') })
    const needles = new Needles(needlesOf(organisation, 100_000))
    const noise = Buffer.alloc(20_000_000)
    for (let at = 0, state = 1; at < noise.length; at += 4) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      noise.writeUInt32LE(state, at)
    }
    expect(needles.search()(noise)).toEqual([])
    noise.write(organisation.person(77_777).address, 12_345_678)
    const found = needles.search()(noise)
    expect(new Set(found.map(({ what }) => what))).toEqual(
      new Set(['a name, address or number of generated person 77777']),
    )
    expect(found.map(({ offset }) => offset)).toContain(12_345_678)
  },
  TIMEOUT,
)

test('in a list, in a detail, and in what only one role reads', { timeout: TIMEOUT }, async () => {
  const admin = await t.as('admin')
  const siem = await t.as('siem')
  const { body: setup } = await admin.post('/set-ups', { json: { kind: 'hr', name: 'Quaddenkamphuber' } })
  const look = looking('Quaddenkamphuber')
  const readers = [
    { role: 'admin', token: admin.token },
    { role: 'siem', token: siem.token },
  ]
  await lookAtApi(t.url, readers, look)
  const places = look.hits.map(({ surface, place }) => `${surface}: ${place.replace(/, byte \d+$/, '')}`)
  expect(places).toEqual(
    expect.arrayContaining([
      'API bodies: GET /connectors as admin',
      `API bodies: GET /connectors/${setup.connectorId} as admin`,
      'API bodies: GET /set-ups as admin',
      `API bodies: GET /set-ups/${setup.id} as admin`,
    ]),
  )
  expect(places.filter((place) => place.endsWith('as siem'))).toEqual([])
  expect(look.totals.get('API bodies')?.items).toBeGreaterThan(40)
})

test('in visibility, in a history, in an encrypted payload and in a Schedule', { timeout: TIMEOUT }, async () => {
  const { client } = t.w
  const workflow = { taskQueue: 'nobody-serves-it', args: [{ note: 'Wöhlelbrinkmühl' }] }
  await client.workflow.start('someWorkflow', { ...workflow, workflowId: `of-Knüvissenbhöver` })
  await client.schedule.create({
    scheduleId: 'every-Spreckokenhzeller',
    spec: { intervals: [{ every: '1 day' }] },
    action: { type: 'startWorkflow', workflowType: 'someWorkflow', ...workflow },
  })
  const surfaces = async (name: string) => {
    const look = looking(name)
    // Visibility lags behind a moment.
    for (let tries = 0; look.hits.length === 0 && tries < 40; tries += 1) {
      await lookAtTemporal(client, new EncryptingCodec(t.w.t.ring), look)
      if (look.hits.length === 0) await new Promise((resolve) => setTimeout(resolve, 250))
    }
    return [...new Set(look.hits.map(({ surface }) => surface))].sort()
  }
  expect(await surfaces('Knüvissenbhöver')).toEqual(['Temporal histories', 'Temporal visibility'])
  // Encrypted where it is stored, found where it is decoded.
  expect(await surfaces('Wöhlelbrinkmühl')).toEqual(
    expect.arrayContaining(['Temporal histories, decoded', 'Temporal schedules, decoded']),
  )
  expect(await surfaces('Wöhlelbrinkmühl')).not.toContain('Temporal histories')
  expect(await surfaces('Spreckokenhzeller')).toEqual(expect.arrayContaining(['Temporal schedules']))
})

test('in a row, even in one whose value the data files hold compressed', { timeout: TIMEOUT }, async () => {
  const author = await t.w.staff('somebody', ['analyst'])
  const body = `Zwingumschlgräfe ${'and so on '.repeat(900)}`
  await t.w.comment('alert', randomUUID(), author, body)
  const look = looking('Zwingumschlgräfe')
  await lookAtDatabase(t.w.t.url, look)
  expect(look.hits.map(({ place }) => place.replace(/, byte \d+$/, ''))).toEqual(['table public.comment'])
})

test('in a file of any folder, in its name, and across the pieces in which it is read', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-scan-'))
  try {
    mkdirSync(path.join(folder, 'siem'))
    const piece = 1 << 20
    writeFileSync(path.join(folder, 'siem/webhook.ndjson'), `${'x'.repeat(piece - 30)}{"user":"Grömalterfkötter"}\n`)
    writeFileSync(path.join(folder, 'openirm.log'), '{"msg":"Grömalterfkötter"}')
    writeFileSync(path.join(folder, 'Grömalterfkötter.csv'), 'nothing')
    writeFileSync(path.join(folder, 'innocent'), 'Gröm alterf kötter')
    const look = looking('Grömalterfkötter')
    await lookAtFiles(folder, (file) => path.extname(file), look)
    expect(look.hits.map(({ surface }) => surface).sort()).toEqual(['.csv', '.log', '.ndjson'])
    expect([...look.totals.values()].reduce((sum, { items }) => sum + items, 0)).toBe(4)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
