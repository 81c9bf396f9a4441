import type { SourceRecord } from '../../connectors/connector.ts'
import { TextsPacker, unpackTexts } from '../../db/texts.ts'

/** What an import keeps of the records, once it is read again. */
export async function keptOf(records: readonly SourceRecord[]): Promise<unknown[]> {
  const packer = new TextsPacker()
  for (const record of records) packer.add({ raw: record.record }, record)
  return unpackTexts((await packer.finish()) as Buffer).map(({ raw }) => raw)
}
