import { connectorKind } from '../connectors/kinds.ts'
import type { Connection } from '../db/connection.ts'
import { type ConnectorRow, lockConnector, readConnector } from '../db/connectors.ts'
import * as store from '../db/microsoft-uploads.ts'
import { AppError } from '../domain/errors.ts'
import type { components } from '../openapi/generated/types.ts'
import type { ApiDeps } from './deps.ts'
import { inTransaction, iso, isoOrNull, read } from './route.ts'

type Wire = components['schemas']

const presentSecret = (row: store.UploadSecretRow): Wire['UploadSecret'] => ({
  id: row.id,
  createdAt: iso(row.created_at),
  expiresAt: iso(row.expires_at),
  revokedAt: isoOrNull(row.revoked_at),
  lastUsedAt: isoOrNull(row.last_used_at),
})

/** Throws state_conflict for a kind that no script of Microsoft serves. */
function scriptOf(connector: ConnectorRow): 'csv' | 'json' {
  const script = connectorKind(connector.kind).microsoftScript
  if (script === undefined) {
    throw new AppError('state_conflict', 'there is no upload script of Microsoft for this kind of source', {
      fix: 'Use one of the ways in that its guide names.',
    })
  }
  return script
}

async function answer({ db, deps }: { db: Connection; deps: ApiDeps }, connector: ConnectorRow) {
  const access = await store.findMicrosoftUpload(db, connector.id)
  const tenantId = store.tenantIdOf(deps.vault)
  const body: Wire['MicrosoftUpload'] = {
    connectorId: connector.id,
    enabled: access?.enabled ?? false,
    script: scriptOf(connector),
    tenantId,
    appId: access?.client_id ?? null,
    jobId: connector.id,
    tokenAddress: `${deps.publicUrl}/${tenantId}/oauth2/token`,
    uploadAddress: deps.publicUrl,
    secrets: (await store.listUploadSecrets(db, connector.id)).map(presentSecret),
    lastAcceptedAt: isoOrNull(access?.last_accepted_at ?? null),
    lastRefusedAt: isoOrNull(access?.last_refused_at ?? null),
    lastRefusal: access?.last_refusal ?? null,
  }
  return { status: 200 as const, body }
}

export const getMicrosoftUpload = read('getMicrosoftUpload', async (call) =>
  answer(call, await readConnector(call.db, call.params.connectorId)),
)

export const enableMicrosoftUpload = inTransaction('enableMicrosoftUpload', async (call) => {
  const connector = await lockConnector(call.db, call.params.connectorId)
  scriptOf(connector)
  if (connector.state === 'retired') throw new AppError('state_conflict', 'the connector is retired')
  const changed = await store.switchMicrosoftUpload(call.db, connector.id, true)
  return {
    ...(await answer(call, connector)),
    audit: changed
      ? { action: 'microsoft-upload.enabled', subjectKind: 'connector', subjectId: connector.id }
      : { none: 'it was on already' },
  }
})

export const disableMicrosoftUpload = inTransaction('disableMicrosoftUpload', async (call) => {
  const connector = await lockConnector(call.db, call.params.connectorId)
  scriptOf(connector)
  const changed = await store.switchMicrosoftUpload(call.db, connector.id, false)
  return {
    ...(await answer(call, connector)),
    audit: changed
      ? { action: 'microsoft-upload.disabled', subjectKind: 'connector', subjectId: connector.id }
      : { none: 'it was off already' },
  }
})

export const createUploadSecret = inTransaction('createUploadSecret', async ({ db, params, body }) => {
  const connector = await lockConnector(db, params.connectorId)
  const { secretId, secret } = await store.createUploadSecret(db, connector.id, body.expiresInDays)
  const made = presentSecret((await store.listUploadSecrets(db, connector.id))[0] as store.UploadSecretRow)
  return {
    status: 201,
    body: { ...made, secret },
    // Shown once: a repetition of the request does not show it again.
    keep: { ...made, secret: null },
    audit: {
      action: 'upload-secret.created',
      subjectKind: 'connector',
      subjectId: connector.id,
      detail: { secret_id: secretId, expires_at: made.expiresAt },
    },
  }
})

export const revokeUploadSecret = inTransaction('revokeUploadSecret', async (call) => {
  const connector = await readConnector(call.db, call.params.connectorId)
  const changed = await store.revokeUploadSecret(call.db, connector.id, call.params.secretId)
  return {
    ...(await answer(call, connector)),
    audit: changed
      ? {
          action: 'upload-secret.revoked',
          subjectKind: 'connector',
          subjectId: connector.id,
          detail: { secret_id: call.params.secretId },
        }
      : { none: 'it was revoked already' },
  }
})
