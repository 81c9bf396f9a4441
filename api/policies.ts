import type { Connection } from '../db/connection.ts'
import * as store from '../db/policies.ts'
import { seenDlpPolicies } from '../db/queries/dlp-policies.ts'
import * as queries from '../db/queries/policies.ts'
import { AppError } from '../domain/errors.ts'
import type { components } from '../openapi/generated/types.ts'
import {
  definitionFrom,
  loadIndicators,
  loadTemplates,
  parsePolicyDefinition,
  pinnedIndicators,
  requireDlpIndicators,
  requireGroups,
  syncIndicators,
} from '../policies/load.ts'
import { alignPolicy, requestEvaluation } from './processes.ts'
import { type Call, etag, inProcess, inTransaction, iso, isoOrNull, read } from './route.ts'

type Wire = components['schemas']

const present = (row: store.PolicyRow): Wire['Policy'] => ({
  id: row.id,
  template: row.template,
  name: row.name,
  state: row.state as Wire['PolicyState'],
  version: row.version,
  definition: row.definition as Record<string, unknown>,
  revision: row.revision,
  createdAt: iso(row.created_at),
})

async function answer(db: Connection, policyId: string) {
  const row = await store.readPolicy(db, policyId)
  return { status: 200 as const, body: present(row), headers: etag(row.revision) }
}

/** Its Schedule as the row says, and a look at everybody with what it says now. */
async function lookAgain({ deps }: Pick<Call<never>, 'deps'>, policyId: string): Promise<void> {
  await alignPolicy(deps, policyId)
  await requestEvaluation(deps.temporal, policyId)
}

export const listPolicies = read('listPolicies', async ({ db, page, query, paged }) => ({
  status: 200,
  body: paged(await queries.listPolicies(db, page, query), present),
}))

export const getPolicy = read('getPolicy', ({ db, params }) => answer(db, params.policyId))

export const listDlpPolicies = read('listDlpPolicies', async ({ db }) => ({
  status: 200,
  body: {
    items: (await seenDlpPolicies(db, new Date())).map((seen) => ({ ...seen, lastSeenAt: iso(seen.lastSeenAt) })),
  },
}))

export const createPolicy = inTransaction('createPolicy', async (call) => {
  const { db, deps, body, actor } = call
  const templates = loadTemplates()
  const template = templates.get(body.template)
  if (!template) {
    throw new AppError('policy_invalid', `there is no template ${body.template}`, {
      field: '/template',
      fix: `Choose one of: ${[...templates.keys()].join(', ')}.`,
    })
  }
  const indicators = loadIndicators(deps.indicatorFolder)
  await syncIndicators(db, indicators.values())
  const definition = definitionFrom(template, indicators)
  const policyId = await store.createPolicy(db, { ...body, definition, staffId: actor.staffId })
  const made = await answer(db, policyId)
  return {
    ...made,
    status: 201,
    headers: { ...made.headers, Location: `/v1/policies/${policyId}` },
    audit: {
      action: 'policy.created',
      subjectKind: 'policy',
      subjectId: policyId,
      detail: { template: body.template, version: 1 },
    },
    after: () => lookAgain(call, policyId),
  }
})

export const listPolicyVersions = read('listPolicyVersions', async ({ db, page, params, paged }) => {
  await store.readPolicy(db, params.policyId)
  const found = await queries.listPolicyVersions(db, page, params.policyId)
  return {
    status: 200,
    body: paged(found, (row) => ({
      policyId: row.policy_id,
      version: row.version,
      definition: row.definition as Record<string, unknown>,
      sha256: row.sha256,
      note: row.note,
      createdBy: row.created_by,
      createdAt: iso(row.created_at),
    })),
  }
})

export const createPolicyVersion = inTransaction('createPolicyVersion', async (call) => {
  const { db, params, body, actor } = call
  const row = await store.lockPolicy(db, params.policyId, call.revision)
  const definition = parsePolicyDefinition(body.definition)
  if (definition.template !== row.template) {
    throw new AppError('policy_invalid', `the policy is one of the template ${row.template}`, {
      field: '/definition/template',
      fix: 'Make a new policy from the other template.',
    })
  }
  const template = loadTemplates().get(row.template)
  if (template) requireGroups(template, definition.settings)
  requireDlpIndicators(definition, await pinnedIndicators(db, definition))
  const version = await store.addPolicyVersion(db, row, { definition, note: body.note, staffId: actor.staffId })
  return {
    ...(await answer(db, row.id)),
    status: 201,
    audit: { action: 'policy.changed', subjectKind: 'policy', subjectId: row.id, detail: { version } },
    after: async () => {
      if (row.state === 'enabled') await requestEvaluation(call.deps.temporal, row.id)
    },
  }
})

export const enablePolicy = inTransaction('enablePolicy', async (call) => {
  const row = await store.lockPolicy(call.db, call.params.policyId)
  const changed = await store.setPolicyState(call.db, row, 'enabled')
  return {
    ...(await answer(call.db, row.id)),
    audit: changed
      ? { action: 'policy.enabled', subjectKind: 'policy', subjectId: row.id }
      : { none: 'it was enabled already' },
    after: () => lookAgain(call, row.id),
  }
})

export const disablePolicy = inTransaction('disablePolicy', async (call) => {
  const row = await store.lockPolicy(call.db, call.params.policyId)
  const changed = await store.setPolicyState(call.db, row, 'disabled')
  return {
    ...(await answer(call.db, row.id)),
    audit: changed
      ? { action: 'policy.disabled', subjectKind: 'policy', subjectId: row.id }
      : { none: 'it was disabled already' },
    after: () => alignPolicy(call.deps, row.id),
  }
})

export const getPolicyHealth = read('getPolicyHealth', async ({ db, params }) => {
  const { id } = await store.readPolicy(db, params.policyId)
  const health = await queries.policyHealth(db, id)
  return {
    status: 200,
    body: {
      policyId: id,
      seeing: health.seeing,
      waitingPeople: health.waitingPeople,
      blind: health.blind.map((row) => ({
        connectorId: row.connector_id,
        checkId: row.check_id,
        code: row.code,
        detail: row.detail,
        guide: row.guide,
        fromAt: iso(row.from_at),
        toAt: isoOrNull(row.to_at),
      })),
      evaluations: health.evaluations.map((row) => ({
        version: row.policy_version,
        asOf: iso(row.as_of),
        people: row.people,
        activePeople: row.active_people,
        insights: row.insights,
        alertsCreated: row.alerts_created,
        alertsUpdated: row.alerts_updated,
        tookMs: row.took_ms,
        createdAt: iso(row.created_at),
      })),
    },
  }
})

export const evaluatePolicy = inProcess('evaluatePolicy', async ({ db, deps, params }) => {
  const row = await store.readPolicy(db, params.policyId)
  if (row.state !== 'enabled')
    throw new AppError('state_conflict', 'the policy is disabled', { fix: 'Enable it first.' })
  await requestEvaluation(deps.temporal, row.id)
  return {
    status: 202,
    body: { policyId: row.id },
    audit: { action: 'policy.evaluation-requested', subjectKind: 'policy', subjectId: row.id },
  }
})
