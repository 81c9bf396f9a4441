import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The command line of a live process; null when it is gone. */
export function commandLine(pid: number): string | null {
  try {
    if (process.platform === 'linux') {
      const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0]
      // A zombie holds nothing any more.
      if (state === 'Z') return null
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    }
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null
  } catch {
    return null
  }
}

export const isAlive = (pid: number): boolean => commandLine(pid) !== null

export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  everyMs = 25,
): Promise<boolean> {
  const end = Date.now() + timeoutMs
  for (;;) {
    if (await condition()) return true
    if (Date.now() >= end) return false
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}

/** Asks a process to end, then makes it. Bounded by both times together. */
export async function endProcess(
  pid: number,
  { signal, graceMs, forceMs = 5_000 }: { signal: NodeJS.Signals; graceMs: number; forceMs?: number },
): Promise<void> {
  const send = (which: NodeJS.Signals) => {
    try {
      process.kill(pid, which)
    } catch {
      // It is gone already.
    }
  }
  send(signal)
  if (await waitFor(() => !isAlive(pid), graceMs)) return
  send('SIGKILL')
  await waitFor(() => !isAlive(pid), forceMs)
}
