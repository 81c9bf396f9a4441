import { randomUUID } from 'node:crypto'
import * as processes from '../../api/processes.ts'
import { lockOpenSetup, openSetup, readSetup, saveSample, saveSettings } from '../../db/setups.ts'
import type { SetupStep } from '../../domain/processes.ts'
import type { World } from './world.ts'

const SETTINGS = {
  scenarios: [
    { scenario: 'resignation', columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' } },
  ],
}
/** One record that can be read, and one that cannot. */
export const HR_SAMPLE =
  'Email,Notice,LastDay\nkim.lee@example.com,2026-01-02Z,2026-02-01Z\nbroken@example.com,soon,2026-02-01Z\n'

/** A set-up of HR files that waits for an admin. */
export async function beginSetup(w: World) {
  const admin = await w.staff('Ada', ['admin'])
  const ids = await w.t.db
    .transaction()
    .execute((tx) => openSetup(tx, { kind: 'hr', name: `HR of ${admin}`, everySeconds: 60, staffId: admin }))
  const setup = { ...ids, kind: 'hr' }
  await processes.startSetup(w.client, setup)
  const perform = (step: Exclude<SetupStep, 'proven'>, causeKey: string = randomUUID()) =>
    processes.performSetupStep(w.client, setup, { staffId: admin, causeKey, step })
  return { admin, setup, perform }
}

/** Stores settings as the API does. */
export async function configureSetup(w: World, setupId: string): Promise<void> {
  await w.t.db.transaction().execute(async (tx) => {
    const row = await lockOpenSetup(tx, setupId, (await readSetup(tx, setupId)).revision)
    await saveSettings(tx, w.t.vault, row, { settings: SETTINGS, secrets: {} })
  })
}

export async function uploadSample(w: World, setupId: string): Promise<string> {
  async function* bytes() {
    yield Buffer.from(HR_SAMPLE)
  }
  const { sha256 } = await w.deps.spool.put(bytes(), 10_000)
  await w.t.db.transaction().execute(async (tx) => {
    const row = await lockOpenSetup(tx, setupId, (await readSetup(tx, setupId)).revision)
    await saveSample(tx, w.t.vault, row, { sha256, name: 'kim.csv' })
  })
  return sha256
}
