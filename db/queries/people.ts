import { AppError } from '../../domain/errors.ts'
import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byId = sortedBy([['person.id', 'bigint']], 'asc')

const summary = (db: Connection) =>
  db.selectFrom('person').select((eb) => [
    'person.id',
    'person.uid',
    'person.pseudonym',
    'person.created_at',
    eb
      .selectFrom('identity')
      .whereRef('identity.person_id', '=', 'person.id')
      .select((inner) => inner.fn.countAll<number>().as('n'))
      .as('identities'),
    eb
      .selectFrom('alert')
      .whereRef('alert.person_id', '=', 'person.id')
      .where('alert.state', 'in', ['needs_review', 'confirmed'])
      .select((inner) => inner.fn.countAll<number>().as('n'))
      .as('open_alerts'),
  ])

/** Longest known first. */
export async function listPeople(db: Connection, page: PageRequest, filter: { pseudonym?: string }) {
  let query = summary(db).where(byId.behind(page.after))
  if (filter.pseudonym !== undefined) query = query.where('pseudonym', '=', filter.pseudonym)
  const rows = await query
    .orderBy(byId.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.id])
}

/** By the public id. Throws not_found. */
export async function readPerson(db: Connection, uid: string) {
  const row = await summary(db).where('person.uid', '=', uid).executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no person ${uid}`)
  return row
}

/** Facts that hold now: kind and dates, newest first. */
export const factsOf = (db: Connection, personId: number) =>
  db
    .selectFrom('fact')
    .innerJoin('identity', 'identity.id', 'fact.identity_id')
    .select(['fact.kind', 'fact.effective_at', 'fact.last_working_at', 'fact.withdrawn', 'fact.recorded_at'])
    .where('identity.person_id', '=', personId)
    .where('fact.superseded_at', 'is', null)
    .orderBy('fact.effective_at', 'desc')
    .orderBy('fact.kind')
    .execute()
