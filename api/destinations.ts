import * as store from '../db/destinations.ts'
import * as queries from '../db/queries/destinations.ts'
import { readSecrets } from '../db/secrets.ts'
import { formOf } from '../domain/form.ts'
import { exporterKind, exporterKinds } from '../exporters/kinds.ts'
import type { components } from '../openapi/generated/types.ts'
import * as processes from './processes.ts'
import { type Call, etag, inProcess, inTransaction, iso, read } from './route.ts'
import { completeSettings, shownSecrets } from './settings.ts'

type Wire = components['schemas']
type KindId = Wire['DestinationKindId']

export const listDestinationKinds = read('listDestinationKinds', async () => ({
  status: 200,
  body: {
    items: [...exporterKinds.values()].map((kind) => {
      const { schema, secrets } = formOf(kind.config)
      return {
        id: kind.id as KindId,
        title: kind.title,
        says: kind.says,
        guide: kind.guide,
        acknowledges: kind.acknowledges,
        form: schema,
        secrets: [...secrets],
      }
    }),
  },
}))

async function present(
  { db, deps }: Pick<Call<never>, 'db' | 'deps'>,
  row: store.DestinationRow,
): Promise<Wire['Destination']> {
  return {
    id: row.id,
    kind: row.kind as KindId,
    name: row.name,
    state: row.state as Wire['DestinationState'],
    settings: row.settings as Record<string, unknown>,
    secrets: await shownSecrets(db, deps.vault, exporterKind(row.kind).config, row.secret_id),
    stopReason: row.stop_reason as Wire['Destination']['stopReason'],
    lastNumber: row.last_number,
    acceptedNumber: row.accepted_number,
    revision: row.revision,
    createdAt: iso(row.created_at),
  }
}

async function answer(call: Pick<Call<never>, 'db' | 'deps'>, destinationId: string) {
  const row = await store.readDestination(call.db, destinationId)
  return { status: 200 as const, body: await present(call, row), headers: etag(row.revision) }
}

export const listDestinations = read('listDestinations', async (call) => {
  const page = await queries.listDestinations(call.db, call.page, call.query)
  const rows = await Promise.all(page.rows.map((row) => present(call, row)))
  return { status: 200, body: call.paged({ ...page, rows }, (item) => item) }
})

export const getDestination = read('getDestination', (call) => answer(call, call.params.destinationId))

export const createDestination = inTransaction('createDestination', async (call) => {
  const { db, deps, body, actor } = call
  const merged = completeSettings(exporterKind(body.kind).config, {}, body)
  const id = await store.createDestination(db, deps.vault, { ...body, ...merged, staffId: actor.staffId })
  const made = await answer(call, id)
  return {
    ...made,
    status: 201,
    headers: { ...made.headers, Location: `/v1/destinations/${id}` },
    audit: { action: 'destination.created', subjectKind: 'destination', subjectId: id, detail: { kind: body.kind } },
    after: () => processes.wakeExport(deps.temporal, id),
  }
})

export const updateDestination = inTransaction('updateDestination', async (call) => {
  const { db, deps, params, body } = call
  const row = await store.lockDestination(db, params.destinationId, call.revision)
  const touchesSettings = body.settings !== undefined || body.secrets !== undefined
  const merged = touchesSettings
    ? completeSettings(exporterKind(row.kind).config, await readSecrets(db, deps.vault, row.secret_id), {
        settings: body.settings ?? (row.settings as Record<string, unknown>),
        secrets: body.secrets,
      })
    : {}
  await store.changeDestination(db, deps.vault, row, { ...merged, name: body.name })
  return {
    ...(await answer(call, row.id)),
    audit: {
      action: 'destination.changed',
      subjectKind: 'destination',
      subjectId: row.id,
      detail: { fields: Object.keys(body) },
    },
    after: () => processes.wakeExport(deps.temporal, row.id),
  }
})

export const resumeDestination = inProcess('resumeDestination', async (call) => {
  const { id, state } = await store.readDestination(call.db, call.params.destinationId)
  if (state === 'stopped') {
    await processes.resumeExport(call.deps.temporal, id, { staffId: call.actor.staffId, causeKey: call.causeKey })
  }
  return answer(call, id)
})

export const retireDestination = inTransaction('retireDestination', async (call) => {
  const row = await store.lockDestination(call.db, call.params.destinationId)
  const changed = await store.retireDestination(call.db, row)
  return {
    ...(await answer(call, row.id)),
    audit: changed
      ? { action: 'destination.retired', subjectKind: 'destination', subjectId: row.id }
      : { none: 'it was retired already' },
    after: () => processes.endExport(call.deps.temporal, row.id),
  }
})
