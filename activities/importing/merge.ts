import { ensureMonths, mergeActivities } from '../../db/activities.ts'
import { commitChunk, lockForChunk, storeQuarantined, storeTexts } from '../../db/chunks.ts'
import { storeFacts } from '../../db/facts.ts'
import { type ImportSession, TOUCHED } from '../../db/import-session.ts'
import { noticeTouched } from '../../db/notices.ts'
import { lockDecisions } from '../../db/subject-keys.ts'
import type { Vault } from '../../db/vault.ts'
import { type Books, countTouched } from '../../policies/counting.ts'
import { activeIndicators } from '../../policies/load.ts'
import type { PreparedChunk } from './prepare.ts'

export interface MergeContext extends Books {
  vault: Vault
  importId: string
  connectorId: string
  movesConnector: boolean
}

/**
 * Stores a prepared chunk whole or not at all: signals, quarantine, rollups of the touched days, balance, cursor and the
 * requests to look at the people again are one transaction. A chunk that is stored already is left alone.
 */
export async function mergeChunk(
  session: ImportSession,
  context: MergeContext,
  chunk: PreparedChunk,
  number: number,
): Promise<void> {
  await ensureMonths(session.db, chunk.days)
  await session.transaction(async (tx) => {
    const { vault, importId, connectorId } = context
    if (!(await lockForChunk(tx, importId, number))) return
    await lockDecisions(tx, chunk.facts.length > 0 ? 'facts' : 'activities')
    const textsId = chunk.texts === null ? null : await storeTexts(tx, vault, chunk.texts.packed, chunk.texts.id)
    const { rows } = chunk
    const { records, stored, onlyAdded } = await mergeActivities(session, tx, rows)
    const facts = await storeFacts(tx, vault, { importId, touched: TOUCHED }, chunk.facts)
    if (textsId !== null) await storeQuarantined(tx, { importId, connectorId, textsId }, chunk.quarantined)
    if (chunk.activities + chunk.facts.length > 0) {
      // As they are now: a policy made while the import runs counts from its next chunk on.
      const indicators = await activeIndicators(tx)
      const counted = { rows, stored, onlyAdded: onlyAdded && chunk.facts.length === 0 }
      await countTouched(tx, context, indicators, TOUCHED, counted)
    }
    await commitChunk(tx, vault, {
      importId,
      connectorId,
      number,
      counts: {
        received: chunk.received,
        stored: records + facts.stored,
        duplicate: chunk.activities - records + facts.duplicate,
        quarantined: chunk.quarantined.length,
        ignored: chunk.ignored,
      },
      zoneAssumed: chunk.zoneAssumed,
      textsId,
      sources: chunk.sources,
      position: chunk.position,
      skip: chunk.skip,
      movesConnector: context.movesConnector,
      seen: chunk.seen,
    })
    await noticeTouched(tx, facts.touchedIdentities, TOUCHED)
  })
}
