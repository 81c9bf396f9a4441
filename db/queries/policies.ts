import { AppError } from '../../domain/errors.ts'
import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byId = sortedBy([['policy.id', 'uuid']], 'asc')
const byVersion = sortedBy([['policy_version.version', 'int']], 'desc')
/** Of what the health of a policy shows. */
const BLIND_SHOWN = 100
const EVALUATIONS_SHOWN = 20

/** Oldest first. */
export async function listPolicies(db: Connection, page: PageRequest, filter: { state?: string }) {
  let query = db
    .selectFrom('policy')
    .innerJoin('policy_version', (join) =>
      join.onRef('policy_version.policy_id', '=', 'policy.id').onRef('policy_version.version', '=', 'policy.version'),
    )
    .selectAll('policy')
    .select('policy_version.definition')
    .where(byId.behind(page.after))
  if (filter.state !== undefined) query = query.where('policy.state', '=', filter.state)
  const rows = await query
    .orderBy(byId.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.id])
}

/** Newest first. */
export async function listPolicyVersions(db: Connection, page: PageRequest, policyId: string) {
  const rows = await db
    .selectFrom('policy_version')
    .selectAll()
    .where('policy_id', '=', policyId)
    .where(byVersion.behind(page.after))
    .orderBy(byVersion.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.version])
}

/** When the policy was blind, how its evaluations went, who waits. */
export async function policyHealth(db: Connection, policyId: string) {
  const blind = await db
    .selectFrom('policy_blind')
    .selectAll()
    .where('policy_id', '=', policyId)
    .orderBy('from_at', 'desc')
    .orderBy('id')
    .limit(BLIND_SHOWN)
    .execute()
  const evaluations = await db
    .selectFrom('evaluation')
    .selectAll()
    .where('policy_id', '=', policyId)
    .orderBy('created_at', 'desc')
    .limit(EVALUATIONS_SHOWN)
    .execute()
  const { n } = await db
    .selectFrom('waiting_evaluation')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .where('policy_id', '=', policyId)
    .executeTakeFirstOrThrow()
  const now = await db
    .selectFrom('policy_blind')
    .select('id')
    .where('policy_id', '=', policyId)
    .where('to_at', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return { blind, evaluations, waitingPeople: n, seeing: now === undefined }
}

/** Every indicator at its newest version, by id. */
export const listIndicators = (db: Connection) =>
  db.selectFrom('indicator').distinctOn('id').selectAll().orderBy('id').orderBy('version', 'desc').execute()

/** Without a version the newest. */
export function findIndicator(db: Connection, id: string, version?: number) {
  let query = db.selectFrom('indicator').selectAll().where('id', '=', id)
  if (version !== undefined) query = query.where('version', '=', version)
  return query.orderBy('version', 'desc').limit(1).executeTakeFirst()
}

/** Throws not_found. */
export async function readIndicator(db: Connection, id: string, version?: number) {
  const row = await findIndicator(db, id, version)
  if (!row) throw new AppError('not_found', `there is no such indicator ${id}`)
  return row
}
export type IndicatorRow = Awaited<ReturnType<typeof readIndicator>>
