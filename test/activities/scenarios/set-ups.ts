import { setupStart } from '../../../activities/starting.ts'
import { lockOpenSetup, openSetup, saveSample, saveSettings } from '../../../db/setups.ts'
import { Spool } from '../../../db/spool.ts'
import { type SetupStepInput, scheduleId, workflowId } from '../../../domain/processes.ts'
import type { ScenariosOf } from '../scenario.ts'
import { HR_HEADER, hrRow, hrSettings, type Stage } from '../stage.ts'

interface Opened {
  setupId: string
  connectorId: string
}
let opened: Opened

/** A set-up of an HR connector with its sample, its first steps done. */
async function setUp(stage: Stage, done: readonly SetupStepInput['step'][]): Promise<string> {
  const { db, vault } = stage.w.t
  opened = await db
    .transaction()
    .execute((tx) => openSetup(tx, { kind: 'hr', name: 'People', everySeconds: 60, staffId: stage.analyst }))
  const { setupId } = opened
  async function* sample() {
    yield Buffer.from([HR_HEADER, hrRow('somebody')].join('\n'))
  }
  const spooled = await new Spool(stage.spoolFolder, vault).put(sample(), 10_000)
  await db.transaction().execute(async (tx) => {
    const given = { settings: hrSettings, secrets: {} }
    await saveSettings(tx, vault, await lockOpenSetup(tx, setupId, 1), given)
    await saveSample(tx, vault, await lockOpenSetup(tx, setupId, 2), { ...spooled, name: 'sample.csv' })
  })
  for (const step of done) await stage.run('performStep', { ...act(stage, step), setupId })
  return setupId
}

const act = (stage: Stage, step: SetupStepInput['step']): SetupStepInput => ({
  step,
  staffId: stage.analyst,
  causeKey: `perform ${step}`,
})
const schedules = () => ({
  schedules: [scheduleId.import(opened.connectorId), scheduleId.prerequisites(opened.connectorId)],
})

export const setUps: ScenariosOf<'readSetupState' | 'performStep' | 'endSetup' | 'proveSetup' | 'checkPrerequisites'> =
  {
    readSetupState: { open: { arrange: async (stage) => ({ setupId: await setUp(stage, []) }) } },
    performStep: {
      prerequisites: {
        arrange: async (stage) => ({ setupId: await setUp(stage, []), ...act(stage, 'prerequisites') }),
      },
      'dry run': {
        arrange: async (stage) => ({
          setupId: await setUp(stage, ['credentials', 'test', 'map']),
          ...act(stage, 'dry_run'),
        }),
      },
      activate: {
        arrange: async (stage) => ({
          setupId: await setUp(stage, ['credentials', 'test', 'map', 'dry_run']),
          ...act(stage, 'activate'),
        }),
        starts: schedules,
      },
    },
    endSetup: {
      'of an open one': {
        arrange: async (stage) => ({
          setupId: await setUp(stage, ['credentials']),
          by: { staffId: stage.analyst, causeKey: 'abandon' },
        }),
      },
    },
    proveSetup: {
      'by the first import': {
        async arrange(stage) {
          await setUp(stage, [])
          const { db } = stage.w.t
          const active = { state: 'active', activated_at: new Date() }
          await db.updateTable('connector').set(active).where('id', '=', opened.connectorId).execute()
          await db.updateTable('connector_setup').set({ state: 'activated' }).where('id', '=', opened.setupId).execute()
          return { connectorId: opened.connectorId, importId: '0197a000-0000-7000-8000-000000000002' }
        },
        async arrangeOutside(stage) {
          const { type, ...options } = setupStart({ ...opened, kind: 'hr' })
          await stage.w.client.workflow.start(type, options)
        },
        starts: () => ({ runs: [workflowId.setup(opened.connectorId)] }),
      },
    },
    checkPrerequisites: {
      'all met': { arrange: async ({ s3Id }) => ({ connectorId: s3Id }) },
      'one unmet: the connector pauses, policies are blind': {
        async arrange(stage) {
          const longAgo = new Date(Date.now() - 30 * 86_400_000)
          await stage.w.t.db
            .updateTable('import')
            .set({ started_at: longAgo, finished_at: longAgo })
            .where('connector_id', '=', stage.hrId)
            .execute()
          return { connectorId: stage.hrId }
        },
      },
    },
  }
