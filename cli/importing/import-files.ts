import { createReadStream, statSync } from 'node:fs'
import path from 'node:path'
import { type Readable, Transform } from 'node:stream'
import { AppError, isAppError } from '../../domain/errors.ts'
import type { components } from '../../openapi/generated/types.ts'
import type { ApiClient } from '../api-client.ts'
import type { Screen } from '../terminal.ts'
import { showImport, showRejects } from './report.ts'

type Import = components['schemas']['Import']
type Connector = components['schemas']['Connector']
type Rejected = components['schemas']['QuarantinedRow']
interface Me {
  operations: string[]
}
interface Page<T> {
  items: T[]
  nextCursor: string | null
}

/** How a command ends: everything stored; something rejected or failed; nothing could be tried. */
export const OUTCOME = { stored: 0, rejected: 1, refused: 2 } as const
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME]

export interface ImportFilesInput {
  /** Id or name. */
  connector: string
  /** Paths; `-` is standard input. */
  files: readonly string[]
  /** Name of what comes by standard input. */
  stdinName: string
  stdin: Readable
  /** Rejected rows shown per file at most. */
  showRejected: number
}

const POLL_MS = 300
const SLOWEST_POLL_MS = 2_000
const PAGE = 200

/** Sends files one after another, waits for each import and tells what became of it. The worst outcome counts. */
export async function importFiles(api: ApiClient, input: ImportFilesInput, screen: Screen): Promise<Outcome> {
  const { operations } = await api.get<Me>('/me')
  for (const needed of ['listConnectors', 'uploadFile', 'getImport']) {
    if (!operations.includes(needed)) {
      throw new AppError('forbidden', `the token's roles do not include ${needed}`, {
        fix: 'Use the token of an operator or an admin.',
      })
    }
  }
  const connector = await findConnector(api, input.connector)
  let worst: Outcome = OUTCOME.stored
  for (const file of input.files) {
    worst = Math.max(worst, await importFile(api, connector, file, input, screen)) as Outcome
  }
  return worst
}

async function findConnector(api: ApiClient, wanted: string): Promise<Connector> {
  const all = await everything<Connector>(api, '/connectors')
  const usable = all.filter(({ state }) => state !== 'retired')
  const found = usable.find(({ id }) => id === wanted) ?? usable.find(({ name }) => name === wanted)
  if (found) return found
  throw new AppError('not_found', `there is no connector ${wanted}`, {
    fix: usable.length === 0 ? 'Set one up first.' : `Choose one of: ${usable.map(({ name }) => name).join(', ')}.`,
  })
}

async function everything<T>(api: ApiClient, list: string, atMost = Number.POSITIVE_INFINITY): Promise<T[]> {
  const items: T[] = []
  let cursor: string | null = null
  do {
    const query = `limit=${Math.min(PAGE, atMost)}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`
    const page: Page<T> = await api.get(`${list}${list.includes('?') ? '&' : '?'}${query}`)
    items.push(...page.items)
    cursor = page.nextCursor
  } while (cursor !== null && items.length < atMost)
  return items
}

async function importFile(
  api: ApiClient,
  connector: Connector,
  file: string,
  input: ImportFilesInput,
  screen: Screen,
): Promise<Outcome> {
  const name = file === '-' ? input.stdinName : path.basename(file)
  try {
    const { status, body: begun } = await send(api, connector, file, name, input.stdin, screen)
    if (status === 200) screen.say(`${name}: these bytes were imported before, at ${begun.startedAt}`)
    const ended = await waitFor(api, begun, (row) => screen.progress(`${name}: ${row.received} rows read`))
    showImport(name, ended, screen)
    if (ended.quarantined > 0) showRejects(name, ended, await rejectedRows(api, ended, input.showRejected), screen)
    return ended.state === 'completed' && ended.quarantined === 0 ? OUTCOME.stored : OUTCOME.rejected
  } catch (error) {
    const failure = asFailure(error, file)
    screen.complain(`${name}: ${failure.code}: ${failure.message}${failure.fix ? `\n  ${failure.fix}` : ''}`)
    return OUTCOME.refused
  }
}

async function send(
  api: ApiClient,
  connector: Connector,
  file: string,
  name: string,
  stdin: Readable,
  screen: Screen,
): Promise<{ status: number; body: Import }> {
  const bytes = file === '-' ? undefined : sizeOf(file)
  const source: Readable = file === '-' ? stdin : createReadStream(file)
  const counted = source.pipe(counting(bytes, (share) => screen.progress(`${name}: sent ${share}`)))
  source.once('error', (error) => counted.destroy(error))
  return api.sendFile(`/connectors/${connector.id}/files?name=${encodeURIComponent(name)}`, counted, bytes)
}

function sizeOf(file: string): number {
  const found = statSync(file)
  if (found.isDirectory())
    throw new AppError('file_unreadable', `${file} is a folder`, { fix: 'Name the files in it.' })
  return found.size
}

function counting(total: number | undefined, tell: (share: string) => void): Transform {
  let sent = 0
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      sent += piece.length
      tell(total ? `${Math.floor((100 * sent) / total)} % of ${megabytes(total)}` : megabytes(sent))
      done(null, piece)
    },
  })
}

const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`

async function waitFor(api: ApiClient, begun: Import, tell: (row: Import) => void): Promise<Import> {
  let row = begun
  for (let pause = POLL_MS; row.state === 'running'; pause = Math.min(pause * 1.3, SLOWEST_POLL_MS)) {
    await new Promise((resolve) => setTimeout(resolve, pause))
    row = await api.get<Import>(`/imports/${begun.id}`)
    tell(row)
  }
  return row
}

const rejectedRows = (api: ApiClient, { id }: Import, atMost: number): Promise<Rejected[]> =>
  everything<Rejected>(api, `/quarantined-rows?importId=${id}`, atMost)

function asFailure(error: unknown, file: string): AppError {
  if (isAppError(error)) return error
  const { code } = error as NodeJS.ErrnoException
  return new AppError('file_unreadable', `${file} cannot be read (${code ?? 'unexpected failure'})`, { cause: error })
}
