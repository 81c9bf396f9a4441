import { Writable } from 'node:stream'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { benchesOf, pullKinds } from '../cli/conformance/conformance.ts'
import { formOf } from '../domain/form.ts'
import { type Bench, isCannot } from '../sandbox/benches/bench.ts'
import { VirtualClock } from '../sandbox/clock.ts'
import { type Api, api, type Caller } from './api/api.ts'
import { eventually } from './harness/world.ts'

/**
 * What the API and the workers log while a connector is set up, reads, is refused and is checked: at the lowest level,
 * without the cuts that an installation makes. The conformance kit looks at the reading alone, under every fault.
 */
const TIMEOUT = 90_000
const PERSON = 'dana.roe@logs.example'
const MARKER = 'planted-in-a-record'
let t: Api
let admin: Caller
let operator: Caller
let lines: string[] = []

beforeAll(async () => {
  const memory = new Writable({
    write(line: Buffer, _, done) {
      lines.push(line.toString())
      done()
    },
  })
  t = await api({ workers: true, log: pino({ level: 'trace' }, memory) })
  admin = await t.as('admin')
  operator = await t.as('operator')
}, TIMEOUT)
afterAll(() => t?.[Symbol.asyncDispose](), TIMEOUT)

const benches = pullKinds().flatMap((definition) =>
  benchesOf(definition.id).map((vendor) => ({
    name: [definition.id, vendor.variant].filter(Boolean).join(', '),
    definition,
    vendor,
  })),
)

describe.each(benches)('$name', ({ name, definition, vendor }) => {
  test('no secret, token or person stands in a line of the log', { timeout: TIMEOUT }, async () => {
    lines = []
    await using bench = await vendor.start(new VirtualClock())
    stage(bench)
    const secretNames = formOf(definition.config).secrets
    const part = (isSecret: boolean) =>
      Object.fromEntries(Object.entries(bench.settings).filter(([key]) => secretNames.includes(key) === isSecret))
    const secrets = part(true)
    expect(Object.keys(secrets)).not.toEqual([])

    const { body: setup } = await admin.post('/set-ups', { json: { kind: definition.id, name } })
    const saved = await admin.put(`/set-ups/${setup.id}/settings`, {
      revision: 1,
      json: { settings: part(false), secrets },
    })
    expect(saved.status).toBe(200)
    const perform = async (step: string) => {
      const { body } = await admin.post(`/set-ups/${setup.id}/steps`, { json: { step } })
      return body.steps.find((each: { step: string }) => each.step === step)
    }
    refuseSignIn(bench)
    expect(await perform('credentials')).toMatchObject({ state: 'done' })
    expect(await perform('test')).toMatchObject({ state: 'failed' })
    bench.faults.clear()
    for (const step of ['test', 'map', 'dry_run', 'activate']) {
      expect(await perform(step), step).toMatchObject({ state: 'done' })
    }

    const { connectorId } = setup
    const imported = async () => {
      const { body } = await operator.post(`/connectors/${connectorId}/imports`)
      return eventually(() => operator.get(`/imports/${body.id}`), {
        until: (answer) => answer.body.state !== 'running',
        timeoutMs: 60_000,
      })
    }
    expect((await imported()).body).toMatchObject({ state: 'completed', stored: 1 })
    refuseSignIn(bench)
    expect((await imported()).body).toMatchObject({ state: 'failed' })
    const checked = await admin.post(`/connectors/${connectorId}/prerequisites/check`)
    expect(checked.body.items.map(({ state }: { state: string }) => state)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^(unmet|unknown)$/)]),
    )

    const log = lines.join('')
    for (const said of ['"operation":"performSetupStep"', '"activity":"importRecords"', '"code":"credential_'])
      expect(log).toContain(said)
    const office = isCannot(bench.tokens) ? [] : bench.tokens.tokens
    const planted = [...Object.values(secrets), ...bench.secrets(), ...office, PERSON, MARKER, admin.token] as string[]
    expect(planted.filter((text) => spellings(text).some((each) => log.includes(each)))).toEqual([])
  })
})

function stage(bench: Bench): void {
  const at = new Date(Math.floor(Date.now() / 1000) * 1000 - 3 * 3_600_000)
  const availableAt = new Date(at.getTime() + 60_000)
  bench.stage({ marker: MARKER, person: PERSON, at, availableAt, form: 'plain', behindCursor: false })
}

/** The next request is refused for good: the token is taken back, and there is no other. */
function refuseSignIn(bench: Bench): void {
  bench.arm('credential_refused', 'http://127.0.0.1:9')
  if (!isCannot(bench.tokens)) bench.tokens.revokeAll()
}

/** A text of several lines also as it stands in JSON, and in an address. */
const spellings = (text: string): string[] => [text, JSON.stringify(text).slice(1, -1), encodeURIComponent(text)]
