import { v7 as uuid } from 'uuid'
import { ActivityMerge } from '../../db/activities.ts'
import { ActivityRows } from '../../db/activity-rows.ts'
import type { StagedActivity } from '../../db/activity-writer.ts'
import type { Connection } from '../../db/connection.ts'
import type { ImportSession } from '../../db/import-session.ts'
import type { Vault } from '../../db/vault.ts'
import type { ActiveIndicator } from '../../policies/compile.ts'
import { Counting } from '../../policies/counting.ts'
import { DayUnderWay } from '../../policies/day-under-way.ts'
import { Matcher } from '../../policies/matching.ts'
import { MeetingBook } from '../../policies/seen.ts'
import { TreatmentBook } from '../../policies/treated.ts'

export interface Storing {
  vault: Vault
  connectorId: string
  indicators: (tx: Connection) => Promise<readonly ActiveIndicator[]>
  /** Of one import; each call is an import of its own where there is none. */
  book?: MeetingBook
  treatments?: TreatmentBook
  underWay?: DayUnderWay
  /** Tells of the activities what they count for; made of the indicators where there is none. */
  matcher?: Matcher
  /** Called between storing and counting. */
  stored?: () => Promise<void>
}

/** Stores activities in one chunk, as an import does; returns how many records were stored. */
export async function storeActivities(
  session: ImportSession,
  {
    vault,
    connectorId,
    indicators,
    book = new MeetingBook(),
    treatments = new TreatmentBook(),
    underWay = new DayUnderWay(),
    matcher,
    stored = async () => {},
  }: Storing,
  activities: readonly StagedActivity[],
): Promise<number> {
  const rows = new ActivityRows(vault, { connectorId, importId: uuid(), textsId: null })
  const telling = matcher ?? (await matcherOf(session.db, connectorId, indicators))
  await telling.learn(
    session.db,
    activities.map(({ activity }) => activity.at),
  )
  for (const staged of activities) rows.add({ ...staged, hits: telling.hitsOf(staged) })
  return session.transaction(async (tx) => {
    const merge = await ActivityMerge.begin(session, tx, connectorId)
    const counting = new Counting({ meetings: book, treatments, underWay }, merge.newest)
    const { records, onlyAdded } = await merge.store(rows, (kept) => counting.take(kept, telling))
    const writer = await merge.finish()
    await stored()
    await counting.count(session, tx, { indicators: await indicators(tx), onlyAdded, writer })
    return records
  })
}

async function matcherOf(db: Connection, connectorId: string, indicators: Storing['indicators']): Promise<Matcher> {
  const connector = await db.selectFrom('connector').select('kind').where('id', '=', connectorId).executeTakeFirst()
  return new Matcher(await indicators(db), connector?.kind ?? 'none')
}
