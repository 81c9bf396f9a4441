import type { ConfiguredConnector } from '../connector-config.ts'
import { mapOrReject } from './prepare.ts'

export interface MappingPreview {
  looked: number
  /** Records that would become signals. */
  mended: number
  ignored: number
  /** What would still be wrong, the most frequent first. */
  rejected: { code: string; cell: string | null; rows: number }[]
}

/** What a mapping would make of records that were rejected; stores nothing. */
export function previewMapping(connector: ConfiguredConnector, records: readonly unknown[]): MappingPreview {
  const preview: MappingPreview = { looked: records.length, mended: 0, ignored: 0, rejected: [] }
  for (const record of records) {
    const mapped = mapOrReject(connector, record)
    if (mapped.type === 'ignored') preview.ignored += 1
    else if (mapped.type !== 'rejected') preview.mended += 1
    else {
      const { code, cell = null } = mapped
      const known = preview.rejected.find((each) => each.code === code && each.cell === cell)
      if (known) known.rows += 1
      else preview.rejected.push({ code, cell, rows: 1 })
    }
  }
  preview.rejected.sort((a, b) => b.rows - a.rows)
  return preview
}
