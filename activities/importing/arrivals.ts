import { createReadStream, type Dirent, promises as fs, type Stats } from 'node:fs'
import path from 'node:path'
import { bookRefusedFile, openFileImport, rememberSeen, seenKeys } from '../../db/imports.ts'
import { dropUnneeded } from '../../db/spool-needs.ts'
import { AppError, isAppError } from '../../domain/errors.ts'
import type { Deps } from '../deps.ts'

/** A file that changed within this time is still being written and is left alone. */
export const SETTLE_MS = 2_000

/**
 * Takes the settled files of a drop folder into the spool; the files themselves are left where they are. Each is taken
 * once by its content. One that cannot be taken becomes a failed import that says what to do, and keeps no other waiting.
 */
export async function takeArrivals(
  deps: Deps,
  connectorId: string,
  folder: string,
  nominalAt: Date,
): Promise<string[]> {
  for (const entry of await filesOf(folder)) {
    const file = path.join(folder, entry.name)
    const found = await fs.stat(file).catch(() => null)
    if (found === null || Date.now() - found.mtimeMs < SETTLE_MS) continue
    const refusal = `refused/${entry.name}/${found.size}/${found.ctimeMs}`
    const seen = await seenKeys(deps.db, deps.vault, connectorId, [keyOf(entry.name, found), refusal])
    if (seen.size > 0) continue
    try {
      await take(deps, { connectorId, file, name: entry.name, found, nominalAt })
    } catch (error) {
      const refused = asRefusal(error)
      if (refused.retryable) throw refused
      await deps.db.transaction().execute(async (tx) => {
        const { code, message: detail, fix = null } = refused
        await bookRefusedFile(tx, deps.vault, {
          connectorId,
          fileName: entry.name,
          nominalAt,
          error: { code, detail, fix },
        })
        // Until somebody changes the file or its permissions.
        await rememberSeen(tx, deps.vault, connectorId, refusal)
      })
    }
  }
  // Also those that a run took before it died.
  const waiting = await deps.db
    .selectFrom('import')
    .select('id')
    .where('connector_id', '=', connectorId)
    .where('source', '=', 'drop_folder')
    .where('state', '=', 'running')
    .orderBy('started_at')
    .orderBy('id')
    .execute()
  return waiting.map(({ id }) => id)
}

const keyOf = (name: string, { size, mtimeMs }: Stats): string => `file/${name}/${size}/${mtimeMs}`

async function filesOf(folder: string): Promise<Dirent[]> {
  try {
    const entries = await fs.readdir(folder, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (cause) {
    throw new AppError('settings_invalid', 'the drop folder cannot be read', {
      cause,
      fix: 'Create the folder, or let the worker read it.',
    })
  }
}

interface Arrival {
  connectorId: string
  file: string
  name: string
  found: Stats
  nominalAt: Date
}

async function take(deps: Deps, { connectorId, file, name, found, nominalAt }: Arrival): Promise<void> {
  const spooled = await deps.spool.put(createReadStream(file), deps.maxFileBytes)
  const after = await fs.stat(file)
  // What was written to while it was read is not settled after all.
  if (after.size === found.size && after.mtimeMs === found.mtimeMs) {
    const arrival = { connectorId, source: 'drop_folder' as const, ...spooled, fileName: name, nominalAt }
    await deps.db.transaction().execute(async (tx) => {
      await openFileImport(tx, deps.vault, arrival)
      await rememberSeen(tx, deps.vault, connectorId, keyOf(name, found))
    })
  }
  await dropUnneeded(deps.db, deps.spool, spooled.sha256)
}

function asRefusal(error: unknown): AppError {
  if (isAppError(error)) return error
  const { code } = error as { code?: string }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EIO') {
    return new AppError('file_unreadable', 'a file of the drop folder cannot be read', {
      cause: error,
      fix: 'Let the worker read the file.',
    })
  }
  throw error
}
