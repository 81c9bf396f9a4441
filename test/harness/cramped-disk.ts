import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import pg from 'pg'

export interface CrampedDisk extends AsyncDisposable {
  /** Name of the tablespace that lies on it. */
  tablespace: string
  enlarge(megabytes: number): void
}

/**
 * A disk of so many megabytes in memory, with a tablespace of the run's PostgreSQL on it: a write that does not fit fails
 * as on any full disk. A string says why there can be none: file systems are mounted by root alone. Whatever lies in the
 * tablespace has to be dropped before it is.
 */
export async function crampedDisk(megabytes: number): Promise<CrampedDisk | string> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root mounts a file system on Linux'
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-cramped-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], { stdio: 'pipe' })
  } catch (error) {
    rmSync(folder, { recursive: true })
    return `no file system can be mounted here: ${(error as { stderr?: Buffer }).stderr?.toString().trim() ?? error}`
  }
  const server = new pg.Client(process.env['OPENIRM_TEST_DATABASE_URL'])
  await server.connect()
  const { rows } = await server.query<{ folder: string }>("select current_setting('data_directory') as folder")
  const { uid, gid } = statSync(rows[0]?.folder as string)
  chownSync(folder, uid, gid)
  chmodSync(folder, 0o700)
  const tablespace = path.basename(folder).toLowerCase().replaceAll('-', '_')
  await server.query(`create tablespace ${tablespace} location '${folder}'`)
  return {
    tablespace,
    enlarge: (to) => {
      execFileSync('mount', ['-o', `remount,size=${to}m`, folder], { stdio: 'pipe' })
    },
    async [Symbol.asyncDispose]() {
      await server.query(`drop tablespace ${tablespace}`)
      await server.end()
      execFileSync('umount', [folder], { stdio: 'pipe' })
      rmSync(folder, { recursive: true })
    },
  }
}
