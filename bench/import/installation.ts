import { type TestDatabase, testDatabase } from '../../test/harness/database.ts'
import { insertConnector, insertPolicy } from '../../test/harness/rows.ts'

export interface Installation extends AsyncDisposable {
  database: TestDatabase
  connectorId: string
}

/** What reads a generated file. */
export interface Reader {
  kind: string
  settings: Record<string, unknown>
  /** Template of the policy whose rollups an import has to keep. */
  policy: string
}

/** A fresh database with one policy and one connector. */
export async function installation({ kind, settings, policy }: Reader): Promise<Installation> {
  const database = await testDatabase()
  await insertPolicy(database, policy, 'bench')
  const connectorId = await insertConnector(database, kind, settings)
  return { database, connectorId, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() }
}

/** Of the generated log. */
export const LOG_READER: Reader = {
  kind: 'custom-file',
  policy: 'data-theft-departing-users',
  settings: {
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
  },
}
