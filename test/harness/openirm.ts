import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { commandArguments } from './command.ts'
import { eventually } from './world.ts'

const root = path.join(import.meta.dirname, '../..')

export interface Ran {
  code: number | null
  out: string
  err: string
}

export interface Running {
  child: ChildProcess
  ran: Ran
  /** Settles once the pattern stands in the output; throws what was said when the process ends before. */
  said(pattern: RegExp): Promise<RegExpExecArray>
  /** Asks it to stop, as an orchestrator does, and waits for its end. */
  stop(): Promise<Ran>
}

/**
 * Starts the `openirm` command in a process of its own, as the run bundled it unless it is wanted as `shipped`. Servers of
 * the caller's environment are not passed on.
 */
export function startOpenirm(
  args: readonly string[],
  env: Record<string, string> = {},
  as: { shipped?: boolean } = {},
): Running {
  const { DATABASE_URL: _, TEMPORAL_ADDRESS: __, ...inherited } = process.env
  const child = spawn(process.execPath, [...commandArguments(as), ...args], {
    cwd: root,
    env: { ...inherited, OPENIRM_LOG_LEVEL: 'silent', ...env },
  })
  const ran: Ran = { code: null, out: '', err: '' }
  child.stdout.on('data', (text) => {
    ran.out += text
  })
  child.stderr.on('data', (text) => {
    ran.err += text
  })
  child.once('close', (code) => {
    ran.code = code
  })
  return {
    child,
    ran,
    async said(pattern) {
      const found = await eventually(async () => pattern.exec(ran.out), {
        until: (match) => match !== null || ran.code !== null,
        timeoutMs: 60_000,
      })
      if (found === null) throw new Error(`it did not say ${pattern}: ${ran.out}${ran.err}`)
      return found
    },
    async stop() {
      child.kill('SIGTERM')
      if (ran.code === null) await once(child, 'close')
      return ran
    },
  }
}

const ENDS_WITHIN_MS = 120_000

/** Runs the command until it ends by itself; one that does not is killed, and its code is null. */
export async function openirm(
  args: readonly string[],
  { env = {}, stdin = '' }: { env?: Record<string, string>; stdin?: string | Buffer } = {},
): Promise<Ran> {
  const { child, ran } = startOpenirm(args, env)
  const ended = once(child, 'close')
  // A command that ends without reading leaves nobody to write to.
  child.stdin?.on('error', () => {})
  child.stdin?.end(stdin)
  const late = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS)
  await ended
  clearTimeout(late)
  return ran
}
