/** A file that lies somewhere and may be taken. */
export interface OfferedFile {
  name: string
  sizeBytes: number
  /** Another one whenever the content may have changed. */
  version: string
  /** Another one whenever a file that could not be read may be readable. */
  readable: string
}

/**
 * Somewhere files arrive: a folder, a server, the prefix of a bucket. Files are read and left where they are.
 * Throws AppError: settings_invalid, credential_refused, permission_missing or file_unreadable when somebody has to act,
 * connector_unreachable when trying again may help.
 */
export interface Place extends AsyncDisposable {
  /** Files that are complete as far as can be told, in the order of their names. */
  settled(): Promise<OfferedFile[]>
  open(file: OfferedFile): AsyncIterable<Uint8Array>
  /** As it lies there now; null when it is gone. */
  look(file: OfferedFile): Promise<OfferedFile | null>
}

/** A file that changed within this time is still being written and is left alone. */
export const SETTLE_MS = 2_000

export const byName = (a: OfferedFile, b: OfferedFile): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

/** Names that begin with a dot are those of half-written files and of tools. */
export const isHidden = (name: string): boolean => name.startsWith('.')
