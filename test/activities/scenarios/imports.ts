import { mkdirSync, mkdtempSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { openRedrive } from '../../../db/imports.ts'
import type { ScenariosOf } from '../scenario.ts'
import { HR_HEADER, hrRow, hrSettings, type Stage } from '../stage.ts'

const scheduled = (connectorId: string) => ({
  connectorId,
  runId: '0197a000-0000-7000-8000-000000000001',
  nominalAt: new Date().toISOString(),
})

const mixedFile = [HR_HEADER, hrRow('colleague1'), hrRow('leaver'), 'broken,row', hrRow('colleague2')].join('\n')

/** A folder in which two settled files lie. */
async function dropFolder(stage: Stage): Promise<string> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-drop-'))
  mkdirSync(folder, { recursive: true })
  for (const name of ['a', 'b']) {
    const file = path.join(folder, `${name}.csv`)
    writeFileSync(file, [HR_HEADER, hrRow(name)].join('\n'))
    utimesSync(file, new Date(0), new Date(Date.now() - 60_000))
  }
  const settings = JSON.stringify({ ...hrSettings, dropFolder: folder })
  await stage.w.t.db.updateTable('connector').set({ settings }).where('id', '=', stage.hrId).execute()
  return folder
}

async function ran(stage: Stage, importId: string): Promise<string> {
  await stage.run('importRecords', { importId })
  return importId
}

export const imports: ScenariosOf<'beginImports' | 'importRecords' | 'finishImport'> = {
  beginImports: {
    'of a pull connector': { arrange: async ({ s3Id }) => scheduled(s3Id) },
    'of a drop folder': {
      async arrange(stage) {
        await dropFolder(stage)
        return scheduled(stage.hrId)
      },
    },
  },
  importRecords: {
    'of a log bucket': { arrange: async (stage) => ({ importId: await stage.pull() }) },
    'of a file with a broken row': { arrange: async (stage) => ({ importId: await stage.file(mixedFile) }) },
    'of quarantined rows': {
      async arrange(stage) {
        const importId = await ran(stage, await stage.file(mixedFile))
        await stage.run('finishImport', { importId, outcome: 'completed' })
        const redrive = await stage.w.t.db.transaction().execute((tx) => openRedrive(tx, { connectorId: stage.hrId }))
        return { importId: redrive.importId }
      },
    },
  },
  finishImport: {
    completed: {
      arrange: async (stage) => ({ importId: await ran(stage, await stage.file(mixedFile)), outcome: 'completed' }),
    },
    'failed, of a re-drive': {
      async arrange(stage) {
        const importId = await ran(stage, await stage.file(mixedFile))
        await stage.run('finishImport', { importId, outcome: 'completed' })
        const redrive = await stage.w.t.db.transaction().execute((tx) => openRedrive(tx, { connectorId: stage.hrId }))
        return { importId: redrive.importId, outcome: 'failed', code: 'mapping_invalid', detail: 'x', fix: null }
      },
    },
    cancelled: { arrange: async (stage) => ({ importId: await stage.file(mixedFile), outcome: 'cancelled' }) },
  },
}
