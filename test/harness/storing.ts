import { v7 as uuid } from 'uuid'
import { ActivityMerge } from '../../db/activities.ts'
import { ActivityRows } from '../../db/activity-rows.ts'
import type { StagedActivity } from '../../db/activity-writer.ts'
import type { Connection } from '../../db/connection.ts'
import { type ImportSession, TOUCHED } from '../../db/import-session.ts'
import type { Vault } from '../../db/vault.ts'
import type { ActiveIndicator } from '../../policies/compile.ts'
import { Counting } from '../../policies/counting.ts'
import { MeetingBook } from '../../policies/seen.ts'
import { TreatmentBook } from '../../policies/treated.ts'

export interface Storing {
  vault: Vault
  connectorId: string
  indicators: (tx: Connection) => Promise<readonly ActiveIndicator[]>
  /** Of one import; each call is an import of its own where there is none. */
  book?: MeetingBook
  treatments?: TreatmentBook
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
    stored = async () => {},
  }: Storing,
  activities: readonly StagedActivity[],
): Promise<number> {
  const rows = new ActivityRows(vault, { connectorId, importId: uuid(), textsId: null })
  for (const activity of activities) rows.add(activity)
  return session.transaction(async (tx) => {
    const counting = new Counting({ meetings: book, treatments }, TOUCHED)
    const merge = await ActivityMerge.begin(session, tx, connectorId)
    const { records, onlyAdded } = await merge.store(rows, (kept) => counting.take(kept))
    await merge.finish()
    await stored()
    await counting.count(tx, await indicators(tx), onlyAdded)
    return records
  })
}
