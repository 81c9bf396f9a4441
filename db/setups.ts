import { v7 as uuid } from 'uuid'
import { AppError } from '../domain/errors.ts'
import type { SetupStep } from '../domain/processes.ts'
import type { Connection } from './connection.ts'
import { checkRevision } from './connectors.ts'
import { dropSealed, sealSecrets } from './secrets.ts'
import { insertSealed, type Vault } from './vault.ts'

const select = (db: Connection) =>
  db
    .selectFrom('connector_setup')
    .innerJoin('connector', 'connector.id', 'connector_setup.connector_id')
    .selectAll('connector_setup')
    .select(['connector.kind', 'connector.name', 'connector.settings', 'connector.secret_id'])

/** Throws not_found. */
export async function readSetup(db: Connection, setupId: string) {
  const row = await select(db).where('connector_setup.id', '=', setupId).executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no set-up ${setupId}`)
  return row
}
export type SetupRow = Awaited<ReturnType<typeof readSetup>>

/** Locked for a change of what is being set up. Throws not_found, precondition_failed, state_conflict. */
export async function lockOpenSetup(tx: Connection, setupId: string, revision: number): Promise<SetupRow> {
  await tx.selectFrom('connector_setup').select('id').where('id', '=', setupId).forUpdate().executeTakeFirst()
  const row = await readSetup(tx, setupId)
  checkRevision(row.revision, revision)
  if (row.state !== 'open') throw new AppError('state_conflict', `the set-up is ${row.state}`)
  return row
}

/** A draft connector with its set-up. */
export async function openSetup(
  tx: Connection,
  setup: { kind: string; name: string; everySeconds: number; staffId: string },
): Promise<{ setupId: string; connectorId: string }> {
  const connectorId = uuid()
  const setupId = uuid()
  await tx
    .insertInto('connector')
    .values({
      id: connectorId,
      kind: setup.kind,
      name: setup.name,
      state: 'draft',
      every_seconds: setup.everySeconds,
      created_by: setup.staffId,
    })
    .execute()
  await tx
    .insertInto('connector_setup')
    .values({ id: setupId, connector_id: connectorId, state: 'open', created_by: setup.staffId })
    .execute()
  return { setupId, connectorId }
}

/** Stores settings and secrets. What the steps found was found with other settings: they are to be performed again. */
export async function saveSettings(
  tx: Connection,
  vault: Vault,
  row: SetupRow,
  { settings, secrets }: { settings: Record<string, unknown>; secrets: Record<string, unknown> },
): Promise<void> {
  const secretId = await sealSecrets(tx, vault, secrets)
  await tx
    .updateTable('connector')
    .set({ settings: JSON.stringify(settings), secret_id: secretId })
    .where('id', '=', row.connector_id)
    .execute()
  await dropSealed(tx, row.secret_id)
  await changeSetup(tx, row, {}, {})
}

const WITHOUT_SAMPLE: readonly SetupStep[] = ['prerequisites', 'credentials']

/** Points the set-up to another sample in the spool. Returns the hash of the one before. */
export async function saveSample(
  tx: Connection,
  vault: Vault,
  row: SetupRow,
  sample: { sha256: string; name: string },
): Promise<string | null> {
  const nameId = await insertSealed(tx, vault, 'file_name', sample.name)
  const kept = Object.entries(row.steps as object).filter(([step]) => WITHOUT_SAMPLE.includes(step as SetupStep))
  await changeSetup(tx, row, Object.fromEntries(kept), { sample_sha256: sample.sha256, sample_name_id: nameId })
  await dropSealed(tx, row.sample_name_id)
  return row.sample_sha256
}

async function changeSetup(
  tx: Connection,
  row: SetupRow,
  steps: Record<string, unknown>,
  set: { sample_sha256?: string; sample_name_id?: string },
): Promise<void> {
  await tx
    .updateTable('connector_setup')
    .set({ ...set, steps: JSON.stringify(steps), revision: row.revision + 1, updated_at: new Date() })
    .where('id', '=', row.id)
    .execute()
}

/** Whether an import, a run of uploads or a set-up still needs a file of the spool. */
export async function isFileNeeded(db: Connection, sha256: string): Promise<boolean> {
  const running = await db
    .selectFrom('import')
    .select('id')
    .where('body_sha256', '=', sha256)
    .where('state', '=', 'running')
    .executeTakeFirst()
  if (running) return true
  const block = await db
    .selectFrom('upload_block')
    .innerJoin('upload_run', 'upload_run.id', 'upload_block.run_id')
    .select('upload_run.id')
    .where('upload_block.sha256', '=', sha256)
    .where('upload_run.state', '<>', 'joined')
    .executeTakeFirst()
  if (block) return true
  const sample = await db
    .selectFrom('connector_setup')
    .select('id')
    .where('sample_sha256', '=', sha256)
    .where('state', '=', 'open')
    .executeTakeFirst()
  return sample !== undefined
}
