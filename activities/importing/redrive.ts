import type { Page, Position, SourceRecord } from '../../connectors/connector.ts'
import type { Connection } from '../../db/connection.ts'
import { readTexts } from '../../db/texts.ts'
import type { Vault } from '../../db/vault.ts'

/** Quarantined rows of a re-drive as one page: each record as the source sent it, for the mapping as it is now. */
export async function* redrivePages(
  db: Connection,
  vault: Vault,
  importId: string,
  position: Position,
): AsyncGenerator<Page> {
  if (position?.['done']) return
  const rows = await db
    .selectFrom('quarantined_row')
    .select(['line', 'texts_id', 'texts_index'])
    .where('redriven_import_id', '=', importId)
    .orderBy('import_id')
    .orderBy('line')
    .orderBy('id')
    .execute()
  yield { origin: 'redrive', records: records(), after: { done: true } }

  async function* records(): AsyncGenerator<SourceRecord> {
    let textsId: string | undefined
    let texts: Awaited<ReturnType<typeof readTexts>> = []
    for (const row of rows) {
      if (row.texts_id !== textsId) {
        textsId = row.texts_id
        texts = await readTexts(db, vault, row.texts_id)
      }
      yield { line: row.line, record: texts[row.texts_index]?.raw }
    }
  }
}
