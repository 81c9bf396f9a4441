import { startImport } from '../../api/processes.ts'
import { openFileImport } from '../../db/imports.ts'
import type { World } from './world.ts'

/** Uploads a text to a connector, as the API does, and waits for its import to end; the import's row. */
export async function importFile(w: World, connectorId: string, text: string) {
  async function* bytes() {
    yield Buffer.from(text)
  }
  const spooled = await w.deps.spool.put(bytes(), 1_000_000)
  const { importId } = await openFileImport(w.t.db, w.t.vault, {
    connectorId,
    source: 'upload',
    ...spooled,
    fileName: 'file.csv',
    nominalAt: new Date(),
  })
  const run = await startImport(w.client, { connectorId, importId, run: spooled.sha256, kind: 'hr', why: 'upload' })
  await run.result().catch(() => {})
  return w.t.db.selectFrom('import').selectAll().where('id', '=', importId).executeTakeFirstOrThrow()
}
