import type { Connection } from '../db/connection.ts'
import { closeRules, endPiece, forgetForms, matchingWaits, matchPiece } from '../db/identity-matching.ts'
import { currentRules } from '../db/identity-rules.ts'
import { noticeTouched } from '../db/notices.ts'
import { RECOUNTED, recountWaits, takeRecount } from '../db/recounts.ts'
import { lockDecisions } from '../db/subject-keys.ts'
import { joinsByForm } from '../domain/identity-rules.ts'
import { recomputeRollups } from '../policies/compile.ts'
import { activeIndicators } from '../policies/load.ts'
import type { Deps } from './deps.ts'
import type { ActivityControls } from './imports.ts'

/** Accounts compared in one transaction. */
const ACCOUNTS_AT_ONCE = 1_000
/** Joins ended in one transaction. */
const JOINS_AT_ONCE = 200
/** Person-days counted in one transaction. */
const DAYS_AT_ONCE = 500

/** Whether accounts are to be compared or days to be counted. */
export const identitiesWait = async (db: Connection): Promise<boolean> =>
  (await recountWaits(db)) || matchingWaits(db, await currentRules(db))

/**
 * Compares accounts that no comparison under these rules has seen and joins what they say; ends joins that they no
 * longer make. In pieces, each a transaction: a run that is killed goes on where it was. Returns how many it compared.
 */
export async function matchIdentities({ db, vault }: Deps, { signal, heartbeat }: ActivityControls): Promise<number> {
  const stored = await currentRules(db)
  if (!(await matchingWaits(db, stored))) return 0
  const inPieces = async (piece: (tx: Connection) => Promise<number>): Promise<number> => {
    for (let all = 0; ; ) {
      signal.throwIfAborted()
      const done = await db.transaction().execute(piece)
      if (done === 0) return all
      all += done
      heartbeat({ chunk: all })
    }
  }
  if (!joinsByForm(stored.rules)) await forgetForms(db)
  const compared = joinsByForm(stored.rules)
    ? await inPieces((tx) => matchPiece(tx, vault, stored, ACCOUNTS_AT_ONCE))
    : 0
  if (stored.appliedAt === null) {
    await inPieces((tx) => endPiece(tx, vault, JOINS_AT_ONCE))
    await db.transaction().execute((tx) => closeRules(tx, stored))
  }
  return compared
}

/**
 * Counts person-days anew whose accounts changed owners, in pieces, each a transaction; whoever they belong to is looked
 * at again. Returns how many pieces it took.
 */
export async function recountDays({ db }: Deps, { signal, heartbeat }: ActivityControls): Promise<number> {
  for (let pieces = 0; ; pieces += 1) {
    signal.throwIfAborted()
    const accounts = await db.transaction().execute(async (tx) => {
      await lockDecisions(tx, 'activities')
      const taken = await takeRecount(tx, DAYS_AT_ONCE)
      if (taken.length === 0) return taken
      await recomputeRollups(tx, await activeIndicators(tx), RECOUNTED)
      await noticeTouched(tx, taken)
      return taken
    })
    if (accounts.length === 0) return pieces
    heartbeat({ chunk: pieces + 1 })
  }
}
