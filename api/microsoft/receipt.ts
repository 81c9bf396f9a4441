import type { TakenBlock } from '../../db/upload-runs.ts'
import type { RowsSeen } from './rows.ts'

/** What a script prints behind `Body :`. */
export interface Receipt {
  message: string
  /** Number of the block within its run; null of a whole file. */
  block: number | null
  rows: number
  unusable: number
  /** The first unusable rows: line within the block, column, what is wrong. */
  examples: string[]
  /** The same bytes had come before. */
  repeated: boolean
  /** Blocks of the run that never came. */
  missing: number[]
}

const rowsIn = (count: number): string => `${count} row${count === 1 ? '' : 's'}`

export function receiptOf(
  seen: RowsSeen,
  taken: TakenBlock,
  { block, held }: { block: number | null; held: boolean },
): Receipt {
  const missing = taken.repeated ? [] : taken.missing
  return {
    message: wording(seen, taken.repeated, missing, block, held),
    block,
    rows: seen.rows,
    unusable: seen.unusable,
    examples: seen.examples,
    repeated: taken.repeated,
    missing,
  }
}

function wording(seen: RowsSeen, repeated: boolean, missing: number[], block: number | null, held: boolean): string {
  const what = block === null ? 'The file' : `Block ${block}`
  if (repeated) return `${what} had arrived before: nothing is imported twice.`
  const sentences = [
    `${what} is stored with ${seen.all ? rowsIn(seen.rows) : `more than ${rowsIn(seen.rows)}`}${held ? '; it is imported once the connector is resumed' : ' and will be imported'}.`,
  ]
  if (seen.unusable > 0) {
    sentences.push(
      `${rowsIn(seen.unusable)} cannot be used and ${seen.unusable === 1 ? 'goes' : 'go'} to quarantine, the others are imported. Do not send the file again for it: correct the rows or the mapping.`,
    )
  }
  if (missing.length > 0) {
    sentences.push(
      `Block ${missing.join(', ')} of this run never arrived: its rows are missing. Send the whole file again; what is stored is not doubled.`,
    )
  }
  return sentences.join(' ')
}
