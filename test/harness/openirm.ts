import { spawn } from 'node:child_process'
import path from 'node:path'

const root = path.join(import.meta.dirname, '../..')

export interface Ran {
  code: number | null
  out: string
  err: string
}

/** Runs the `openirm` command in a process of its own, as a person does, until it ends. */
export function openirm(
  args: readonly string[],
  { env = {}, stdin = '' }: { env?: Record<string, string>; stdin?: string | Buffer } = {},
): Promise<Ran> {
  const { DATABASE_URL: _, TEMPORAL_ADDRESS: __, ...inherited } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', 'cli/openirm.ts', ...args], {
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
  // A command that ends without reading leaves nobody to write to.
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ ...ran, code }))
  })
}
