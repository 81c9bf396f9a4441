import { chmodSync, mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { removePostgres, type StartLog } from '../../cli/embedded/postgres.ts'
import { isAlive } from '../../cli/embedded/processes.ts'

const IN_MEMORY = '/dev/shm'
/** Far more than is held at a time: a dozen databases from 11 MB on, and a log of which the server keeps 2 GB at most. */
const ENOUGH_BYTES = 6e9
const NAME = /^openirm-test-(\d+)$/

/**
 * A folder for the servers of this run, in memory where there is plenty: a database of a test is six hundred files, and to
 * make and drop them hundreds of times costs ten times as much on a disk. Whatever a killed run left behind is removed.
 */
export async function folderOfRun(log: StartLog): Promise<string> {
  for (const place of [IN_MEMORY, os.tmpdir()]) await removeLeft(place, log)
  const folder = path.join(hasPlenty() ? IN_MEMORY : os.tmpdir(), `openirm-test-${process.pid}`)
  mkdirSync(folder)
  chmodSync(folder, 0o755)
  return folder
}

function hasPlenty(): boolean {
  try {
    const { bavail, bsize } = statfsSync(IN_MEMORY)
    return Math.min(bavail * bsize, process.availableMemory()) > ENOUGH_BYTES
  } catch {
    return false
  }
}

async function removeLeft(place: string, log: StartLog): Promise<void> {
  for (const name of namesIn(place)) {
    const pid = Number(NAME.exec(name)?.[1] ?? Number.NaN)
    if (Number.isNaN(pid) || isAlive(pid)) continue
    const left = path.join(place, name)
    await removePostgres(left, log)
    rmSync(left, { recursive: true, force: true })
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
