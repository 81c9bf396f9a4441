import { type PickUpConfig, watchedPlaces } from '../../connectors/files/pick-up.ts'
import type { OfferedFile, Place } from '../../connectors/files/places/place.ts'
import { bookRefusedFile, openFileImport, rememberSeen, seenKeys } from '../../db/imports.ts'
import { dropUnneeded } from '../../db/spool-needs.ts'
import { type AppError, type ErrorCode, isAppError } from '../../domain/errors.ts'
import type { Deps } from '../deps.ts'

/**
 * Takes the settled files of the watched places into the spool; the files themselves are left where they are. Each is
 * taken once by its content. One that cannot be taken becomes a failed import that says what to do, and keeps no other
 * waiting.
 */
export async function takeArrivals(
  deps: Deps,
  connectorId: string,
  config: PickUpConfig,
  nominalAt: Date,
): Promise<string[]> {
  for (const open of watchedPlaces(config)) {
    await using place = await open()
    for (const file of await place.settled()) await takeOrRefuse(deps, { connectorId, place, file, nominalAt })
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

interface Arrival {
  connectorId: string
  place: Place
  file: OfferedFile
  nominalAt: Date
}

const keyOf = ({ name, sizeBytes, version }: OfferedFile): string => `file/${name}/${sizeBytes}/${version}`

async function takeOrRefuse(deps: Deps, arrival: Arrival): Promise<void> {
  const { connectorId, file, nominalAt } = arrival
  const refusal = `refused/${file.name}/${file.sizeBytes}/${file.readable}`
  const seen = await seenKeys(deps.db, deps.vault, connectorId, [keyOf(file), refusal])
  if (seen.size > 0) return
  try {
    await take(deps, arrival)
  } catch (error) {
    const refused = asRefusal(error)
    await deps.db.transaction().execute(async (tx) => {
      const { code, message: detail, fix = null } = refused
      await bookRefusedFile(tx, deps.vault, {
        connectorId,
        fileName: file.name,
        nominalAt,
        error: { code, detail, fix },
      })
      // Until somebody changes the file or its permissions.
      await rememberSeen(tx, deps.vault, connectorId, refusal)
    })
  }
}

async function take(deps: Deps, { connectorId, place, file, nominalAt }: Arrival): Promise<void> {
  const spooled = await deps.spool.put(place.open(file), deps.maxFileBytes)
  const after = await place.look(file)
  // What was written to while it was read is not settled after all.
  if (after !== null && keyOf(after) === keyOf(file)) {
    const arrival = { connectorId, source: 'drop_folder' as const, ...spooled, fileName: file.name, nominalAt }
    await deps.db.transaction().execute(async (tx) => {
      await openFileImport(tx, deps.vault, arrival)
      await rememberSeen(tx, deps.vault, connectorId, keyOf(file))
    })
  }
  await dropUnneeded(deps.db, deps.spool, spooled.sha256)
}

const OF_ONE_FILE: ReadonlySet<ErrorCode> = new Set(['file_unreadable', 'body_too_large', 'permission_missing'])

/** Faults of one file; what concerns the whole place, or may pass, ends the run. */
function asRefusal(error: unknown): AppError {
  if (isAppError(error) && OF_ONE_FILE.has(error.code)) return error
  throw error
}
