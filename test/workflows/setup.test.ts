import { expect, test } from 'vitest'
import * as processes from '../../api/processes.ts'
import { readSetup } from '../../db/setups.ts'
import { importFile } from '../harness/files.ts'
import { beginSetup, configureSetup, HR_SAMPLE, uploadSample } from '../harness/setups.ts'
import { eventually, refusalOf, type World, waitingWorld, world } from '../harness/world.ts'

type Shown = Record<string, { state: string; result: any }>
const stepsOf = async (w: World, setupId: string) => (await readSetup(w.t.db, setupId)).steps as unknown as Shown
const count = async (w: World, table: 'sealed_value' | 'fact' | 'identity' | 'import') =>
  (await w.t.db.selectFrom(table).selectAll().execute()).length

test('each step leaves its state; any is repeated; it is left for weeks, goes on, and is abandoned without a trace', {
  timeout: 90_000,
}, async () => {
  await using w = await waitingWorld()
  const { admin, setup, perform } = await beginSetup(w)
  expect(await refusalOf(perform('dry_run'))).toBe('setup_step_out_of_order')
  expect(await perform('credentials')).toEqual({ step: 'credentials', state: 'failed', code: 'settings_invalid' })
  await w.pass('21 days')
  await configureSetup(w, setup.setupId)
  const sample = await uploadSample(w, setup.setupId)
  for (const step of ['credentials', 'prerequisites', 'test', 'map'] as const) {
    expect(await perform(step), step).toEqual({ step, state: 'done' })
  }
  await w.pass('40 days')
  expect(await perform('dry_run')).toEqual({ step: 'dry_run', state: 'done' })
  expect(await perform('dry_run')).toEqual({ step: 'dry_run', state: 'done' })
  const { dry_run: dry } = await stepsOf(w, setup.setupId)
  expect(dry?.result).toMatchObject({ records: 2, facts: 1, rejected: 1 })
  expect(dry?.result.decoded).toEqual([
    expect.objectContaining({ line: 2, kind: 'resignation', effectiveAt: '2026-01-02T00:00:00.000Z' }),
  ])
  expect(dry?.result.rejects).toEqual([{ line: 3, code: 'date_invalid', cell: 'Notice', expected: 'ISO 8601' }])
  expect(JSON.stringify(dry)).not.toMatch(/kim|lee|example\.com/)
  expect([await count(w, 'fact'), await count(w, 'identity'), await count(w, 'import')]).toEqual([0, 0, 0])

  await configureSetup(w, setup.setupId)
  expect(Object.keys(await stepsOf(w, setup.setupId))).toEqual([])
  await w.pass('10 days')
  await w.client.workflow.getHandle(`setup/${setup.connectorId}`).terminate('lost')
  await processes.abandonSetup(w.client, setup, { staffId: admin, causeKey: 'leave' })
  expect(await count(w, 'sealed_value')).toBe(0)
  expect(await w.deps.spool.has(sample)).toBe(false)
  const rows = await w.t.db.selectFrom('connector').select(['state', 'secret_id']).execute()
  expect(rows).toEqual([{ state: 'retired', secret_id: null }])
  expect(await refusalOf(perform('credentials'))).toBe('state_conflict')
})

test('activation is answered the same when it is repeated, drops the sample, and the first import proves it', {
  timeout: 90_000,
}, async () => {
  await using w = await world()
  const { setup, perform } = await beginSetup(w)
  await configureSetup(w, setup.setupId)
  const sample = await uploadSample(w, setup.setupId)
  for (const step of ['credentials', 'test', 'map', 'dry_run'] as const) await perform(step)
  const activated = await perform('activate', 'go')
  expect(activated).toEqual({ step: 'activate', state: 'done' })
  expect(await w.deps.spool.has(sample)).toBe(false)
  const handle = w.client.workflow.getHandle(`setup/${setup.connectorId}`)
  await handle.terminate('lost')
  expect(await perform('activate', 'go')).toEqual(activated)
  expect(await refusalOf(perform('map'))).toBe('state_conflict')

  const schedules = [`import/${setup.connectorId}`, `prerequisites/${setup.connectorId}`]
  for (const id of schedules) {
    const { policies, action } = await w.client.schedule.getHandle(id).describe()
    expect(policies).toMatchObject({ overlap: 'BUFFER_ONE', catchupWindow: 3_600_000 })
    expect(action).toMatchObject({ staticSummary: expect.stringContaining('hr') })
  }
  const stored = await importFile(w, setup.connectorId, HR_SAMPLE)
  expect(stored).toMatchObject({ state: 'completed', stored: 1, quarantined: 1 })
  await eventually(() => readSetup(w.t.db, setup.setupId), { until: ({ state }) => state === 'proven' })
  expect((await stepsOf(w, setup.setupId))['proven']?.result).toEqual({ importId: stored.id })
  await handle.result()
})
