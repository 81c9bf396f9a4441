import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'

export interface Load {
  /** URL of the database. */
  url: string
  /** The generated log. */
  file: string
  rows: number
  /** A folder of the peer's own. */
  scratch: string
}

export interface Loaded {
  seconds: number
  /** What was run, as one would type it; without the address of the database. */
  command: string
}

/** A tool that people would use instead, at its fastest with the key enforced. */
export interface Peer {
  name: string
  /** Our rows per second ÷ the peer's. */
  must: number
  aim: number
  /** Version of what is installed; null where it is not. */
  version(): string | null
  /** Whether the table with its key has to be there before: some make their own. */
  wantsTable: boolean
  /** Loads the file into `TARGET`. Throws with what the peer said. */
  load(load: Load): Promise<Loaded>
}

export const SCHEMA = 'bench_peer'
export const TABLE = 'events'
export const TARGET = `${SCHEMA}.${TABLE}`
export const KEY = 'event_id'

/** The first of that name in the folders of OPENIRM_BENCH_PEERS, then of PATH. */
export function executable(name: string): string | null {
  const folders = [process.env['OPENIRM_BENCH_PEERS'], process.env['PATH']].flatMap(
    (list) => list?.split(path.delimiter) ?? [],
  )
  for (const folder of folders) {
    const file = path.join(folder, name)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {}
  }
  return null
}

const VERSION_TIMEOUT_MS = 60_000

/** What a command says of its version, the first number with dots; null where it is missing or does not start. */
export function versionOf(name: string, args: readonly string[] = ['--version']): string | null {
  const file = executable(name)
  if (!file) return null
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: VERSION_TIMEOUT_MS })
  return status === 0 ? (/\d+(\.\d+)+[\w.~-]*/.exec(`${stdout}${stderr}`)?.[0] ?? 'unknown') : null
}

const LAST_WORDS = 600

/** Runs a command to its end. Throws with its last words where it fails. */
export async function run(
  file: string,
  args: readonly string[],
  { env = {}, cwd }: { env?: Record<string, string>; cwd?: string } = {},
): Promise<{ seconds: number; out: string }> {
  const startedAt = performance.now()
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, cwd })
  const [out, trouble, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject)),
  ])
  const seconds = (performance.now() - startedAt) / 1000
  if (code !== 0) throw new Error(`${path.basename(file)} ended with ${code}: ${`${out}${trouble}`.slice(-LAST_WORDS)}`)
  return { seconds, out }
}
