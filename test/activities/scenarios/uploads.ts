import { createHash } from 'node:crypto'
import { Spool } from '../../../db/spool.ts'
import { takeBlock } from '../../../db/upload-runs.ts'
import { workflowId } from '../../../domain/processes.ts'
import type { ScenariosOf } from '../scenario.ts'
import { HR_HEADER, hrRow, type Stage } from '../stage.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const BLOCKS = [
  [HR_HEADER, hrRow('first'), hrRow('second')],
  [HR_HEADER, hrRow('third')],
].map((lines) => `${lines.join('\n')}\n`)
const WHOLE = `${(BLOCKS[0] as string) + hrRow('third')}\n`

/** A run of an upload script of which two blocks have come; the shorter one ends it. */
async function arrived(stage: Stage): Promise<{ uploadRunId: string }> {
  const { db, vault } = stage.w.t
  const spool = new Spool(stage.spoolFolder, vault)
  let uploadRunId = ''
  for (const [index, text] of BLOCKS.entries()) {
    async function* bytes() {
      yield Buffer.from(text)
    }
    const spooled = await spool.put(bytes(), 10_000)
    const block = {
      connectorId: stage.hrId,
      runKey: 'run',
      keyIsUnique: true,
      whole: false,
      sequence: index + 1,
      ...spooled,
      headerSha256: sha256(HR_HEADER),
      lines: 2 - index,
      oddQuotes: false,
      fileNameId: null,
    }
    const taken = await db.transaction().execute((tx) => takeBlock(tx, block, { quietMs: 60_000, cutMs: 60_000 }))
    if (!taken.repeated) uploadRunId = taken.runId
  }
  return { uploadRunId }
}

export const uploads: ScenariosOf<'settleUploadRun' | 'joinUploadRun'> = {
  settleUploadRun: {
    'of a run whose time has come': {
      async arrange(stage) {
        const run = await arrived(stage)
        await stage.w.t.db
          .updateTable('upload_run')
          .set({ state: 'collecting', due_at: new Date(0) })
          .execute()
        return run
      },
    },
  },
  joinUploadRun: {
    'of two blocks': {
      arrange: arrived,
      starts: ({ hrId }) => ({ runs: [workflowId.importRun(hrId, sha256(WHOLE))] }),
    },
  },
}
