import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../domain/errors.ts'
import { commandLine } from './processes.ts'

export const LOCK_FILE = 'lock'

interface LockContent {
  pid: number
  /** Start of the process in clock ticks, where the system tells it: a reused pid is somebody else. */
  startedAt: string | null
  urls: Record<string, string>
}

export interface Lock {
  /** Notes where this instance can be reached, for whoever is refused. */
  update(urls: Record<string, string>): void
  release(): void
}

/** One instance per data directory. Throws embedded_already_running with the pid and addresses of the first. */
export function acquireLock(dataDir: string): Lock {
  mkdirSync(dataDir, { recursive: true, mode: 0o755 })
  const file = path.join(dataDir, LOCK_FILE)
  const mine: LockContent = { pid: process.pid, startedAt: startOf(process.pid), urls: {} }
  for (let attempt = 0; ; attempt += 1) {
    // A link is made whole or not at all: nobody reads half a lock.
    const draft = `${file}.${process.pid}`
    writeFileSync(draft, JSON.stringify(mine))
    try {
      linkSync(draft, file)
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 5) throw error
      const holder = readLock(file)
      if (holder && commandLine(holder.pid) !== null && startOf(holder.pid) === holder.startedAt) {
        const where = Object.entries(holder.urls).map(([name, url]) => `${name} ${url}`)
        throw new AppError(
          'embedded_already_running',
          `OpenIRM runs already with this data directory (process ${holder.pid}${where.length ? `; ${where.join(', ')}` : ''})`,
          { fix: 'Use the one that runs, stop it, or choose another directory with OPENIRM_DATA_DIR.' },
        )
      }
      rmSync(file, { force: true })
    } finally {
      rmSync(draft, { force: true })
    }
  }
  return {
    update(urls) {
      writeFileSync(file, JSON.stringify({ ...mine, urls }))
    },
    release() {
      if (readLock(file)?.pid === process.pid) rmSync(file, { force: true })
    },
  }
}

function readLock(file: string): LockContent | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as LockContent
  } catch {
    return null
  }
}

function startOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19] ?? null
  } catch {
    return null
  }
}
