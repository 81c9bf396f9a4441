import { v7 as uuid } from 'uuid'
import { sha256 } from '../../db/hash.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import { definitionFrom, loadIndicators, loadTemplates, syncIndicators } from '../../policies/load.ts'
import { type TestDatabase, testDatabase } from '../../test/harness/database.ts'

export interface Installation extends AsyncDisposable {
  database: TestDatabase
  connectorId: string
}

/** A fresh database with one policy, whose rollups an import has to keep, and one connector for the generated file. */
export async function installation(kind: string, settings: Record<string, unknown>): Promise<Installation> {
  const database = await testDatabase()
  const { db } = database
  const indicators = loadIndicators()
  await syncIndicators(db, indicators.values())
  const template = loadTemplates().get('data-theft-departing-users')
  if (!template) throw new Error('there is no template data-theft-departing-users')
  const definition = canonicalJson(definitionFrom(template, indicators))
  const policyId = uuid()
  await db.transaction().execute(async (tx) => {
    await tx
      .insertInto('policy')
      .values({ id: policyId, template: template.id, name: 'bench', state: 'enabled', version: 1 })
      .execute()
    await tx
      .insertInto('policy_version')
      .values({ policy_id: policyId, version: 1, definition, sha256: sha256(definition), note: 'first' })
      .execute()
  })
  const connectorId = uuid()
  await db
    .insertInto('connector')
    .values({
      id: connectorId,
      kind,
      name: 'bench',
      state: 'active',
      activated_at: new Date(),
      settings: JSON.stringify(settings),
      every_seconds: 3600,
    })
    .execute()
  return { database, connectorId, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() }
}

/** The mapping of the generated file. */
export const CUSTOM_FILE = {
  columns: { person: 'user', at: 'timestamp', action: 'action', object: 'object', size: 'bytes', ip: 'ip' },
  verbs: {
    FileDownloaded: 'download',
    FileViewed: 'view',
    FileModified: 'edit',
    FileDeleted: 'delete',
    FileUploaded: 'upload',
    FileShared: 'share_add',
  },
  eventIdColumns: ['event_id'],
}
