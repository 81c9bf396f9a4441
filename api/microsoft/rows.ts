import { configuredConnector } from '../../activities/connector-config.ts'
import { limitOf } from '../../connectors/connector.ts'
import type { ConnectorRow } from '../../db/connectors.ts'
import type { Rejected } from '../../domain/signal.ts'
import type { ApiDeps } from '../deps.ts'

/** Rows looked at before the answer; the import looks at all of them. */
const LOOKED_AT = 10_000
const NAMED = 5

export interface RowsSeen {
  /** Rows read, up to the limit. */
  rows: number
  /** All rows were read. */
  all: boolean
  /** Of them, those that cannot be used. */
  unusable: number
  /** The first of those, in words without anything of the row itself. */
  examples: string[]
}

export interface LookInput {
  sha256: string
  fileName: string
  /** The block begins within a record of the block before it. */
  beginsCut: boolean
  /** The block is one of several: its last record may go on. */
  isBlock: boolean
}

/**
 * Reads a block as its import will, for the receipt. Throws the connector's own error where nothing of the block can be
 * used: a missing column, no header, no JSON.
 */
export async function lookAtRows(
  { db, vault, spool, access }: ApiDeps,
  connector: ConnectorRow,
  { sha256, fileName, beginsCut, isBlock }: LookInput,
): Promise<RowsSeen> {
  const { definition, config } = await configuredConnector(db, vault, connector)
  const bytes = () => spool.read(sha256)
  const seen: RowsSeen = { rows: 0, all: true, unusable: 0, examples: [] }
  const pages = definition.read({
    config,
    position: null,
    file: { kind: 'file', name: fileName, open: isBlock ? () => wholeRecords(bytes(), beginsCut) : bytes },
    until: new Date(),
    seen: async () => new Set<string>(),
    signal: new AbortController().signal,
    access: access.of(connector.id, limitOf(definition, config)),
  })
  for await (const page of pages) {
    for await (const { line, record, unreadable } of page.records) {
      if (seen.rows >= LOOKED_AT) return { ...seen, all: false }
      seen.rows += 1
      const mapped = unreadable ?? definition.map(record, config)
      if (mapped.type !== 'rejected') continue
      seen.unusable += 1
      if (seen.examples.length < NAMED) seen.examples.push(`line ${line}: ${inWords(mapped)}`)
    }
  }
  return seen
}

const inWords = ({ code, cell, expected }: Rejected): string =>
  `${cell === undefined ? '' : `"${cell}" `}${code}${expected === undefined ? '' : `, expected ${expected}`}`

const NEWLINE = 0x0a
const QUOTE = 0x22

/** The first line and the records that are whole: without the end of one from before and the begin of one that goes on. */
export async function* wholeRecords(bytes: AsyncIterable<Uint8Array>, beginsCut: boolean): AsyncGenerator<Uint8Array> {
  let inHeader = true
  let quoted = false
  let dropping = beginsCut
  let kept: Buffer = Buffer.alloc(0)
  for await (const piece of bytes) {
    const text: Buffer = kept.length === 0 ? Buffer.from(piece) : Buffer.concat([kept, piece])
    let from = 0
    for (let at = kept.length; at < text.length; at += 1) {
      if (text[at] === QUOTE && !inHeader) quoted = !quoted
      if (text[at] !== NEWLINE) continue
      if (inHeader) {
        inHeader = false
        // What follows is within the quotes that the block before has opened.
        quoted = beginsCut
      } else if (quoted) continue
      else if (dropping) {
        dropping = false
        from = at + 1
        continue
      }
      yield text.subarray(from, at + 1)
      from = at + 1
    }
    kept = text.subarray(from)
  }
  if (!quoted && !dropping && kept.length > 0) yield kept
}
