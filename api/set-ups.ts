import { connectorKind } from '../connectors/kinds.ts'
import * as queries from '../db/queries/setups.ts'
import { readSecrets } from '../db/secrets.ts'
import * as store from '../db/setups.ts'
import { dropUnneeded } from '../db/spool-needs.ts'
import { SETUP_STEPS } from '../domain/processes.ts'
import type { components } from '../openapi/generated/types.ts'
import * as processes from './processes.ts'
import { type Call, etag, inProcess, inTransaction, iso, read } from './route.ts'
import { mergeSettings, shownSecrets } from './settings.ts'

type Wire = components['schemas']

/** Enough for headers and some rows. */
const MAX_SAMPLE_BYTES = 1 << 20

interface StoredStep {
  state: 'done' | 'failed'
  at: string
  result: unknown
}

async function present({ db, deps }: Pick<Call<never>, 'db' | 'deps'>, row: store.SetupRow): Promise<Wire['Setup']> {
  const steps = row.steps as unknown as Partial<Record<string, StoredStep>>
  return {
    id: row.id,
    connectorId: row.connector_id,
    kind: row.kind as Wire['ConnectorKindId'],
    name: row.name,
    state: row.state as Wire['SetupState'],
    steps: SETUP_STEPS.map((step) => ({
      step,
      state: steps[step]?.state ?? 'pending',
      at: steps[step]?.at ?? null,
      result: steps[step]?.result ?? null,
    })),
    settings: row.settings as Record<string, unknown>,
    secrets: await shownSecrets(db, deps.vault, connectorKind(row.kind).config, row.secret_id),
    sample: row.sample_sha256 === null ? null : { sha256: row.sample_sha256 },
    revision: row.revision,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
  }
}

async function answer(call: Pick<Call<never>, 'db' | 'deps'>, setupId: string) {
  const row = await store.readSetup(call.db, setupId)
  return { status: 200 as const, body: await present(call, row), headers: etag(row.revision) }
}

const processOf = (row: store.SetupRow) => ({ setupId: row.id, connectorId: row.connector_id, kind: row.kind })

export const listSetups = read('listSetups', async (call) => {
  const page = await queries.listSetups(call.db, call.page, call.query)
  const rows = await Promise.all(page.rows.map((row) => present(call, row)))
  return { status: 200, body: call.paged({ ...page, rows }, (item) => item) }
})

export const getSetup = read('getSetup', (call) => answer(call, call.params.setupId))

export const createSetup = inTransaction('createSetup', async (call) => {
  const { db, deps, body, actor } = call
  const { everySeconds } = connectorKind(body.kind)
  const { setupId, connectorId } = await store.openSetup(db, { ...body, everySeconds, staffId: actor.staffId })
  const { headers, body: made } = await answer(call, setupId)
  return {
    status: 201,
    body: made,
    headers: { ...headers, Location: `/v1/set-ups/${setupId}` },
    audit: {
      action: 'set-up.opened',
      subjectKind: 'connector',
      subjectId: connectorId,
      detail: { setup_id: setupId, kind: body.kind },
    },
    after: () => processes.startSetup(deps.temporal, { setupId, connectorId, kind: body.kind }),
  }
})

export const saveSetupSettings = inTransaction('saveSetupSettings', async (call) => {
  const { db, deps, params, body } = call
  const row = await store.lockOpenSetup(db, params.setupId, call.revision)
  const stored = await readSecrets(db, deps.vault, row.secret_id)
  await store.saveSettings(db, deps.vault, row, mergeSettings(connectorKind(row.kind).config, stored, body))
  return {
    ...(await answer(call, row.id)),
    audit: {
      action: 'set-up.settings-saved',
      subjectKind: 'connector',
      subjectId: row.connector_id,
      detail: { setup_id: row.id },
    },
  }
})

export const saveSetupSample = inTransaction(
  'saveSetupSample',
  async (call) => {
    const { db, deps, params, query, body } = call
    const row = await store.lockOpenSetup(db, params.setupId, call.revision)
    const before = await store.saveSample(db, deps.vault, row, { sha256: body.sha256, name: query.name ?? 'sample' })
    return {
      ...(await answer(call, row.id)),
      audit: {
        action: 'set-up.sample-saved',
        subjectKind: 'connector',
        subjectId: row.connector_id,
        detail: { setup_id: row.id },
      },
      after: async () => {
        if (before !== null) await dropUnneeded(deps.db, deps.spool, before)
      },
    }
  },
  { maxFileBytes: () => MAX_SAMPLE_BYTES },
)

export const performSetupStep = inProcess('performSetupStep', async (call) => {
  const { db, deps, params, body, actor, causeKey } = call
  const row = await store.readSetup(db, params.setupId)
  await processes.performSetupStep(deps.temporal, processOf(row), { staffId: actor.staffId, causeKey, step: body.step })
  return answer(call, row.id)
})

export const abandonSetup = inProcess('abandonSetup', async (call) => {
  const row = await store.readSetup(call.db, call.params.setupId)
  await processes.abandonSetup(call.deps.temporal, processOf(row), {
    staffId: call.actor.staffId,
    causeKey: call.causeKey,
  })
  return answer(call, row.id)
})
