import { spawn } from 'node:child_process'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import type { Installation } from './installation.ts'
import type { OneImport, OneImportRequest } from './one-import.ts'

/** Imports a file in a process of its own. Throws when it did not end well. */
export async function importOf(place: Installation, scratch: string, file: string, again: boolean): Promise<OneImport> {
  const request: OneImportRequest = {
    databaseUrl: place.database.url,
    connectorId: place.connectorId,
    file,
    spoolFolder: path.join(scratch, 'spool'),
    again,
  }
  const profile = process.env['OPENIRM_BENCH_PROFILE']
  const flags = profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []
  const child = spawn(
    process.execPath,
    [...flags, '--import', 'tsx', path.join(import.meta.dirname, 'one-import.ts'), JSON.stringify(request)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, OPENIRM_KEYRING: JSON.stringify(place.database.ring) },
    },
  )
  const [out, code] = await Promise.all([
    text(child.stdout),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ])
  if (code !== 0) throw new Error(`the import ended with ${code}`)
  return JSON.parse(out) as OneImport
}
