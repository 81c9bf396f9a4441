import { previewRules } from '../db/identity-preview.ts'
import { currentRules, parseRules, previewToken, type StoredRules, storeRules } from '../db/identity-rules.ts'
import * as splits from '../db/identity-splits.ts'
import * as queries from '../db/queries/identities.ts'
import type { components } from '../openapi/generated/types.ts'
import { wakeIdentities } from './processes.ts'
import { etag, inTransaction, iso, isoOrNull, read } from './route.ts'

type Wire = components['schemas']

const presentRules = (row: StoredRules): Wire['IdentityRules'] => ({
  version: row.version,
  rules: row.rules,
  madeBy: row.madeBy,
  madeAt: iso(row.madeAt),
  appliedAt: isoOrNull(row.appliedAt),
})

const presentIdentity = ({ uid, scheme, kind, person }: queries.SeenIdentity): Wire['IdentityRef'] => ({
  id: uid,
  scheme: scheme as Wire['IdentityRef']['scheme'],
  kind: kind as Wire['IdentityRef']['kind'],
  person,
})

type JoinRow = Awaited<ReturnType<typeof queries.listJoins>>['rows'][number]
type VetoRow = Awaited<ReturnType<typeof queries.listVetoes>>['rows'][number]
type ConflictRow = Awaited<ReturnType<typeof queries.listConflicts>>['rows'][number]

const reasonOf = (row: Pick<JoinRow | ConflictRow, 'rules' | 'rules_version' | 'source' | 'import_id' | 'line'>) => ({
  rules: row.rules as Wire['IdentityRule'][],
  rulesVersion: row.rules_version,
  source: row.source,
  importId: row.import_id,
  line: row.line,
})

const presentJoin = (row: JoinRow): Wire['IdentityJoin'] => ({
  id: row.id,
  identities: [presentIdentity(row.a), presentIdentity(row.b)],
  cause: row.cause as Wire['IdentityJoin']['cause'],
  ...reasonOf(row),
  madeBy: row.made_by,
  madeAt: iso(row.created_at),
  fromPerson: row.from,
  toPerson: row.to,
  endedAt: isoOrNull(row.ended_at),
  endedBy: row.ended_by,
  endedBecause: row.ended_because as Wire['IdentityJoin']['endedBecause'],
})

const presentConflict = (row: ConflictRow): Wire['IdentityConflict'] => ({
  id: row.id,
  identities: [presentIdentity(row.a), presentIdentity(row.b)],
  code: row.code as Wire['IdentityConflict']['code'],
  cause: row.cause as Wire['IdentityConflict']['cause'],
  ...reasonOf(row),
  state: row.state as Wire['IdentityConflict']['state'],
  foundAt: iso(row.created_at),
  decidedAt: isoOrNull(row.decided_at),
  decidedBy: row.decided_by,
})

const presentVeto = (row: VetoRow): Wire['IdentityVeto'] => ({
  id: row.id,
  because: row.because as Wire['IdentityVeto']['because'],
  identities: row.accounts.map(presentIdentity),
  madeBy: row.made_by,
  madeAt: iso(row.created_at),
  liftedBy: row.lifted_by,
  liftedAt: isoOrNull(row.lifted_at),
})

const ONE = { limit: 1, after: null }

export const getIdentityRules = read('getIdentityRules', async ({ db }) => {
  const stored = await currentRules(db)
  return { status: 200, body: presentRules(stored), headers: etag(stored.version) }
})

export const previewIdentityRules = inTransaction('previewIdentityRules', async ({ db, deps, body }) => {
  const rules = parseRules(body.rules)
  const { version } = await currentRules(db)
  const preview = await previewRules(db, deps.vault, rules)
  const pairs = [...preview.joining, ...preview.ending]
  const seen = await queries.seenIdentities(
    db,
    pairs.flatMap(({ a, b }) => [a, b]),
  )
  const shown = ({ a, b, rules: by }: (typeof pairs)[number]): Wire['IdentityPair'] => ({
    identities: [a, b].map((id) => presentIdentity(seen.get(id) as queries.SeenIdentity)),
    rules: [...by],
  })
  const { accounts, complete, joins, conflicts, vetoed, ends } = preview
  return {
    status: 200,
    body: {
      preview: previewToken(deps.vault, version, rules),
      version,
      accounts,
      complete,
      joins,
      conflicts,
      vetoed,
      ends,
      joining: preview.joining.map(shown),
      ending: preview.ending.map(shown),
    },
    audit: {
      action: 'identity-rules.previewed',
      subjectKind: 'identity-rules',
      subjectId: String(version),
      detail: { joins, ends, conflicts },
    },
  }
})

export const setIdentityRules = inTransaction('setIdentityRules', async ({ db, deps, body, actor, revision }) => {
  const rules = parseRules(body.rules)
  const stored = await storeRules(db, deps.vault, {
    rules,
    version: revision,
    preview: body.preview,
    staffId: actor.staffId,
  })
  return {
    status: 200,
    body: presentRules(stored),
    headers: etag(stored.version),
    audit: {
      action: 'identity-rules.changed',
      subjectKind: 'identity-rules',
      subjectId: String(stored.version),
    },
    after: () => wakeIdentities(deps.temporal),
  }
})

export const listIdentities = inTransaction('listIdentities', async ({ db, page, query, paged }) => {
  const found = await queries.listIdentities(db, page, query)
  return {
    status: 200,
    body: paged(found, (row) => ({ ...presentIdentity(row.seen), knownSince: iso(row.created_at) })),
    audit: {
      action: 'identity.listed',
      subjectKind: 'person',
      subjectId: query.personUid ?? 'all',
      detail: { identities: found.rows.length },
    },
  }
})

export const markIdentity = inTransaction('markIdentity', async ({ db, deps, params, body }) => {
  await splits.markIdentity(db, { identityUid: params.identityId, kind: body.kind })
  const row = await queries.readIdentity(db, params.identityId)
  return {
    status: 200,
    body: { ...presentIdentity(row.seen), knownSince: iso(row.created_at) },
    audit: {
      action: 'identity.marked',
      subjectKind: 'identity',
      subjectId: params.identityId,
      detail: { kind: body.kind },
    },
    after: () => wakeIdentities(deps.temporal),
  }
})

export const splitIdentities = inTransaction('splitIdentities', async ({ db, deps, body, actor }) => {
  const done = await splits.splitIdentities(db, deps.vault, {
    identityUids: body.identities,
    staffId: actor.staffId,
  })
  return {
    status: 200,
    body: done,
    audit: { action: 'identity.split', subjectKind: 'person', subjectId: done.stays, detail: { ...done } },
    after: () => wakeIdentities(deps.temporal),
  }
})

export const listIdentityJoins = inTransaction('listIdentityJoins', async ({ db, page, query, paged }) => {
  const found = await queries.listJoins(db, page, query)
  return {
    status: 200,
    body: paged(found, presentJoin),
    audit: {
      action: 'identity-join.listed',
      subjectKind: 'person',
      subjectId: query.personUid ?? 'all',
      detail: { joins: found.rows.length },
    },
  }
})

export const joinIdentities = inTransaction('joinIdentities', async ({ db, deps, body, actor }) => {
  await splits.joinByStaff(db, { identityUids: body.identities, staffId: actor.staffId })
  const rows = await Promise.all(body.identities.map((uid) => queries.readIdentity(db, uid)))
  return {
    status: 200,
    body: { items: rows.map((row) => presentIdentity(row.seen)) },
    audit: {
      action: 'identity.joined',
      subjectKind: 'person',
      subjectId: rows[0]?.seen.person.uid ?? '',
      detail: { identities: body.identities },
    },
    after: () => wakeIdentities(deps.temporal),
  }
})

export const undoIdentityJoin = inTransaction('undoIdentityJoin', async ({ db, deps, params, actor }) => {
  const done = await splits.undoJoin(db, deps.vault, { joinId: params.joinId, staffId: actor.staffId })
  return {
    status: 200,
    body: done,
    audit: {
      action: 'identity-join.undone',
      subjectKind: 'identity-join',
      subjectId: params.joinId,
      detail: { ...done },
    },
    after: () => wakeIdentities(deps.temporal),
  }
})

export const listIdentityConflicts = inTransaction('listIdentityConflicts', async ({ db, page, query, paged }) => {
  const found = await queries.listConflicts(db, page, query)
  return {
    status: 200,
    body: paged(found, presentConflict),
    audit: {
      action: 'identity-conflict.listed',
      subjectKind: 'identity-conflicts',
      subjectId: 'all',
      detail: { conflicts: found.rows.length },
    },
  }
})

export const decideIdentityConflict = inTransaction(
  'decideIdentityConflict',
  async ({ db, deps, params, body, actor }) => {
    const { conflictId } = params
    await splits.decideConflict(db, { conflictId, decision: body.decision, staffId: actor.staffId })
    const { rows } = await queries.listConflicts(db, ONE, { id: conflictId })
    return {
      status: 200,
      body: presentConflict(rows[0] as ConflictRow),
      audit: {
        action: 'identity-conflict.decided',
        subjectKind: 'identity-conflict',
        subjectId: conflictId,
        detail: { decision: body.decision },
      },
      after: () => wakeIdentities(deps.temporal),
    }
  },
)

export const listIdentityVetoes = inTransaction('listIdentityVetoes', async ({ db, page, query, paged }) => {
  const found = await queries.listVetoes(db, page, query)
  return {
    status: 200,
    body: paged(found, presentVeto),
    audit: {
      action: 'identity-veto.listed',
      subjectKind: 'identity-vetoes',
      subjectId: 'all',
      detail: { vetoes: found.rows.length },
    },
  }
})

export const liftIdentityVeto = inTransaction('liftIdentityVeto', async ({ db, deps, params, actor }) => {
  await splits.liftVeto(db, { vetoId: params.vetoId, staffId: actor.staffId })
  const { rows } = await queries.listVetoes(db, ONE, { id: params.vetoId })
  return {
    status: 200,
    body: presentVeto(rows[0] as VetoRow),
    audit: { action: 'identity-veto.lifted', subjectKind: 'identity-veto', subjectId: params.vetoId },
    after: () => wakeIdentities(deps.temporal),
  }
})
