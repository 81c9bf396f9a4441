import { type S3StandIn, startS3 } from '../../sandbox/s3.ts'
import { insertConnector } from '../harness/rows.ts'
import { DAY_MS, daysAgo, deliver, trailRecord, trailSettings } from '../harness/trail.ts'
import { type Gate, gate } from './gate.ts'
import type { Installation } from './installation.ts'

export interface SourceSize {
  /** Of each of the files of ordinary work. */
  perFile: number
  /** Of the installation. */
  chunkRecords: number
}
/** Above one chunk and below two. */
export const SMALL: SourceSize = { perFile: 510, chunkRecords: 6_000 }
/** Several transactions of several chunks. */
export const LARGE: SourceSize = { perFile: 5_100, chunkRecords: 6_000 }

const FILES = 10
const LAST = 1_000
const TAKEN = 900
const USUAL_DAYS = 32
/** Records of a source. */
export const totalOf = ({ perFile }: SourceSize): number => FILES * perFile + LAST + 2 * TAKEN + USUAL_DAYS

export const thiefOf = (who: string): string => `thief@${who}.example`

export interface Source extends AsyncDisposable {
  connectorId: string
  /** Keeps back the file that is read last until somebody lets it go. */
  holdLastFile(): Gate
}

/** The same data for everybody, under names of their own: ordinary work, and one leaver who takes data by night. */
export async function sourceOf(who: string, { t }: Pick<Installation, 't'>, { perFile }: SourceSize): Promise<Source> {
  const s3: S3StandIn = await startS3()
  for (let back = USUAL_DAYS + 3; back > 3; back -= 1) {
    deliver(s3, daysAgo(back), [trailRecord({ user: thiefOf(who), at: daysAgo(back) })])
  }
  for (const back of [2, 1]) {
    const at = new Date(`${daysAgo(back).toISOString().slice(0, 10)}T02:00:00Z`)
    deliver(
      s3,
      daysAgo(back),
      Array.from({ length: TAKEN }, (_, index) =>
        trailRecord({
          user: thiefOf(who),
          at,
          key: `plans/${back}/${index}.pdf`,
          bytes: 20_000_000,
          ip: '200.160.2.3',
          bucket: `vault-${index % 5}`,
        }),
      ),
    )
  }
  const midnight = Math.floor(Date.now() / DAY_MS) * DAY_MS
  const ordinary = (length: number, at: Date) =>
    Array.from({ length }, (_, index) => trailRecord({ user: `user${index % 20}@${who}.example`, at, key: `${index}` }))
  for (let file = 0; file < FILES; file += 1) {
    const at = new Date(midnight - (1 + (file % 5)) * DAY_MS)
    deliver(s3, at, ordinary(perFile, at))
  }
  const last = new Date(midnight)
  deliver(s3, last, ordinary(LAST, last))
  return {
    connectorId: await insertConnector(t, 'amazon-s3', trailSettings(s3.endpoint)),
    holdLastFile: () =>
      gate(
        s3.faults,
        ({ operation, path }) =>
          operation === 'GetObject' && path.includes(`/${last.toISOString().slice(0, 10).replaceAll('-', '/')}/`),
      ),
    [Symbol.asyncDispose]: () => s3[Symbol.asyncDispose](),
  }
}
