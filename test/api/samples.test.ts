import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import { type Sample, samplesOfEveryKind, withBadRow } from '../harness/samples.ts'
import { type Api, api, type Caller } from './api.ts'

/**
 * A set-up of every kind of file by its sample: what it suggests is taken over, tried and activated. A kind without a
 * sample, or one that suggests nothing, fails here.
 */
let t: Api
let admin: Caller
beforeAll(async () => {
  t = await api({ workers: true })
  admin = await t.as('admin')
}, 90_000)
afterAll(() => t[Symbol.asyncDispose](), 90_000)

/** Settings that a sample tells; the others an admin has to know. */
const TOLD = new Set(['columns', 'eventIdColumns', 'sourceColumn', 'format'])
function untold(settings: unknown): any {
  if (Array.isArray(settings)) return settings.map(untold)
  if (typeof settings !== 'object' || settings === null) return settings
  const kept = Object.entries(settings).filter(([name]) => !TOLD.has(name))
  return Object.fromEntries(kept.map(([name, value]) => [name, untold(value)]))
}

interface Column {
  id: string
  title: string
  required: boolean
  column: string | null
  expected?: string
}
interface SetUp {
  id: string
  connectorId: string
  revision: number
}

async function begun(sample: Sample, text: string, name: string): Promise<SetUp> {
  const { id: kind } = sample.kind
  const { body: setup } = await admin.post('/set-ups', { json: { kind, name: `${sample.title}, ${name}` } })
  const saved = await admin.put(`/set-ups/${setup.id}/settings`, {
    revision: setup.revision,
    json: { settings: untold(sample.settings) },
  })
  expect(saved.status).toBe(200)
  return uploaded(saved.body, sample.name, text)
}

async function uploaded(setup: SetUp, name: string, text: string): Promise<SetUp> {
  const { status, body } = await admin.put(`/set-ups/${setup.id}/sample?name=${name}`, {
    revision: setup.revision,
    bytes: text,
  })
  expect(status).toBe(200)
  return body
}

interface Outcome {
  state: string
  result: any
}

async function perform(setup: SetUp, step: string): Promise<Outcome> {
  const { body } = await admin.post(`/set-ups/${setup.id}/steps`, { json: { step } })
  const found = body.steps?.find((each: { step: string }) => each.step === step)
  return found ?? { state: body.code, result: null }
}

/** Puts the suggested settings in place of those of the same names. */
async function takeOver(setup: SetUp, suggested: object): Promise<SetUp & { settings: Record<string, unknown> }> {
  const { body: before } = await admin.get(`/set-ups/${setup.id}`)
  const settings = { ...before.settings, ...suggested }
  const { status, body } = await admin.put(`/set-ups/${setup.id}/settings`, {
    revision: before.revision,
    json: { settings },
  })
  expect(status).toBe(200)
  return body
}

/** Accounts and people of the samples. */
const namedIn = (text: string) => new Set(text.match(/[\w.]+@[\w.]+|rnurse|Quill/g))

const columnsOf = (result: { columns: Column[] }) => result.columns
const lacking = (columns: readonly Column[]) =>
  columns.filter(({ required, column }) => required && column === null).map(({ id }) => id)

describe.concurrent.each(samplesOfEveryKind().map((sample) => [sample.title, sample] as const))('%s', (_, sample) => {
  test('its sample suggests the mapping, which is taken over, tried and activated', { timeout: 60_000 }, async () => {
    const setup = await begun(sample, withBadRow(sample), 'whole')
    const map = await perform(setup, 'map')
    expect(map.state).toBe('done')
    const { settings: suggested, found } = map.result
    const columns = columnsOf(map.result)
    expect(lacking(columns)).toEqual([])
    const named = columns.flatMap(({ column }) => column ?? [])
    expect(named.length).toBeGreaterThan(1)
    expect(found).toEqual(expect.arrayContaining(named))

    const taken = await takeOver(setup, suggested)
    // What the settings beside the sample say, and nothing else.
    const { config } = sample.kind
    expect(parseSettings(config, taken.settings)).toEqual(parseSettings(config, sample.settings))
    for (const step of ['credentials', 'test', 'map']) {
      expect(await perform(setup, step), step).toMatchObject({ state: 'done' })
    }
    const { state, result } = await perform(setup, 'dry_run')
    expect(state).toBe('done')
    expect(result.activities + result.facts).toBeGreaterThan(0)
    expect(result.decoded.length).toBeGreaterThan(0)
    expect(result.rejected).toBeGreaterThan(0)
    expect(result.rejects.map(({ code }: { code: string }) => code)).toContain(
      withBadRow(sample).includes('"no record"') ? 'json_invalid' : 'column_count',
    )
    expect(result.records).toBe(result.activities + result.facts + result.ignored + result.rejected)
    for (const somebody of namedIn(sample.text)) expect(JSON.stringify([map, result])).not.toContain(somebody)

    expect(await perform(setup, 'activate')).toMatchObject({ state: 'done' })
    const { body: connector } = await admin.get(`/connectors/${setup.connectorId}`)
    expect(connector.state).toBe('active')
  })

  test('a sample that lacks a required column says which, and cannot be activated', { timeout: 60_000 }, async () => {
    const whole = await begun(sample, sample.text, 'lacking')
    const before = columnsOf((await perform(whole, 'map')).result)
    const { id, column } = before.find(({ required }) => required) as Column
    const name = (column as string).split('.').at(-1) as string
    const setup = await uploaded(
      (await admin.get(`/set-ups/${whole.id}`)).body,
      sample.name,
      sample.text.replaceAll(name, 'Unheard Of'),
    )
    const { result } = await perform(setup, 'map')
    expect(lacking(columnsOf(result))).toEqual([id])
    await takeOver(setup, result.settings)
    let state = 'done'
    for (const step of ['map', 'credentials', 'test', 'dry_run'])
      if (state === 'done') ({ state } = await perform(setup, step))
    expect(state).toBe('failed')
    const refused = await admin.post(`/set-ups/${setup.id}/steps`, { json: { step: 'activate' } })
    expect(refused.body).toMatchObject({ status: 409, code: 'setup_step_out_of_order' })
  })
})
