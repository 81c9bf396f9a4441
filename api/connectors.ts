import type { ConnectorDefinition } from '../connectors/connector.ts'
import { prerequisitesOf } from '../connectors/everywhere.ts'
import { connectorKind, connectorKinds } from '../connectors/kinds.ts'
import * as store from '../db/connectors.ts'
import * as queries from '../db/queries/connectors.ts'
import { readSecrets } from '../db/secrets.ts'
import { AppError } from '../domain/errors.ts'
import { formOf } from '../domain/form.ts'
import type { components } from '../openapi/generated/types.ts'
import { declared } from './present-prerequisite.ts'
import { alignConnector, startCheck } from './processes.ts'
import { type Call, etag, inTransaction, iso, isoOrNull, read } from './route.ts'
import { completeSettings, shownSecrets } from './settings.ts'

type Wire = components['schemas']
type KindId = Wire['ConnectorKindId']

const presentKind = (kind: ConnectorDefinition): Wire['ConnectorKindSummary'] => ({
  id: kind.id as KindId,
  title: kind.title,
  says: kind.says,
  delivery: kind.delivery,
  guide: kind.guide,
})

export const listConnectorKinds = read('listConnectorKinds', async () => ({
  status: 200,
  body: { items: [...connectorKinds.values()].map(presentKind) },
}))

export const getConnectorKind = read('getConnectorKind', async ({ params }) => {
  const kind = connectorKinds.get(params.kind)
  if (!kind) throw new AppError('not_found', 'there is no such kind')
  const { schema, secrets } = formOf(kind.config)
  return {
    status: 200,
    body: {
      ...presentKind(kind),
      form: schema,
      secrets: [...secrets],
      everySeconds: kind.everySeconds,
      yields: { activities: kind.yields.activities, facts: [...kind.yields.facts] },
      prerequisites: prerequisitesOf(kind).map((each) => ({
        ...declared({ ...each, guide: each.guide ?? kind.guide }),
        when: each.when,
      })),
    },
  }
})

async function present(
  { db, deps }: Pick<Call<never>, 'db' | 'deps'>,
  row: store.ConnectorRow,
): Promise<Wire['Connector']> {
  return {
    id: row.id,
    kind: row.kind as KindId,
    name: row.name,
    state: row.state as Wire['ConnectorState'],
    settings: row.settings as Record<string, unknown>,
    secrets: await shownSecrets(db, deps.vault, connectorKind(row.kind).config, row.secret_id),
    everySeconds: row.every_seconds,
    pauseReason: row.pause_reason as Wire['PauseReason'],
    activatedAt: isoOrNull(row.activated_at),
    createdAt: iso(row.created_at),
    revision: row.revision,
  }
}

async function answer(call: Pick<Call<never>, 'db' | 'deps'>, connectorId: string) {
  const row = await store.readConnector(call.db, connectorId)
  return { status: 200 as const, body: await present(call, row), headers: etag(row.revision) }
}

export const listConnectors = read('listConnectors', async (call) => {
  const page = await queries.listConnectors(call.db, call.page, call.query)
  const rows = await Promise.all(page.rows.map((row) => present(call, row)))
  return { status: 200, body: call.paged({ ...page, rows }, (item) => item) }
})

export const getConnector = read('getConnector', (call) => answer(call, call.params.connectorId))

export const updateConnector = inTransaction('updateConnector', async (call) => {
  const { db, deps, params, body } = call
  const row = await store.lockConnector(db, params.connectorId, call.revision)
  const { config } = connectorKind(row.kind)
  const touchesSettings = body.settings !== undefined || body.secrets !== undefined
  const merged = touchesSettings
    ? completeSettings(config, await readSecrets(db, deps.vault, row.secret_id), {
        settings: body.settings ?? (row.settings as Record<string, unknown>),
        secrets: body.secrets,
      })
    : {}
  await store.changeConnector(db, deps.vault, row, { ...merged, name: body.name, everySeconds: body.everySeconds })
  return {
    ...(await answer(call, row.id)),
    audit: {
      action: 'connector.changed',
      subjectKind: 'connector',
      subjectId: row.id,
      detail: { fields: Object.keys(body) },
    },
    after: () => alignConnector(deps, row.id),
  }
})

export const pauseConnector = inTransaction('pauseConnector', async (call) => {
  const row = await store.lockConnector(call.db, call.params.connectorId)
  const changed = await store.pauseConnector(call.db, row)
  return {
    ...(await answer(call, row.id)),
    audit: changed
      ? { action: 'connector.paused', subjectKind: 'connector', subjectId: row.id, detail: { by: 'staff' } }
      : { none: 'it was paused already' },
    // Whom the pause blinds is for the check to say.
    after: async () => {
      await alignConnector(call.deps, row.id)
      await startCheck(call.deps.temporal, row.id, row.kind)
    },
  }
})

export const resumeConnector = inTransaction('resumeConnector', async (call) => {
  const row = await store.lockConnector(call.db, call.params.connectorId)
  const changed = await store.resumeConnector(call.db, row)
  return {
    ...(await answer(call, row.id)),
    audit: changed
      ? { action: 'connector.resumed', subjectKind: 'connector', subjectId: row.id }
      : { none: 'it was active already' },
    // The check aligns the Schedules at its end.
    after: () => startCheck(call.deps.temporal, row.id, row.kind),
  }
})

export const retireConnector = inTransaction('retireConnector', async (call) => {
  const row = await store.lockConnector(call.db, call.params.connectorId)
  const changed = await store.retireConnector(call.db, row)
  return {
    ...(await answer(call, row.id)),
    audit: changed
      ? { action: 'connector.retired', subjectKind: 'connector', subjectId: row.id }
      : { none: 'it was retired already' },
    after: () => alignConnector(call.deps, row.id),
  }
})
