import { createReadStream, type Dirent, promises as fs, type Stats } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../../domain/errors.ts'
import { byName, isHidden, type OfferedFile, type Place, SETTLE_MS } from './place.ts'

/** A folder of the worker's machine, without the folders below it. */
export function folderPlace(folder: string): Place {
  const look = async ({ name }: { name: string }): Promise<OfferedFile | null> => {
    const found = await fs.stat(path.join(folder, name)).catch(() => null)
    return found && offered(name, found)
  }
  return {
    async settled() {
      const found = await Promise.all((await filesOf(folder)).map(look))
      return found
        .filter((file) => file !== null)
        .filter(isSettled)
        .sort(byName)
    },
    open: ({ name }) => contentOf(path.join(folder, name)),
    look,
    async [Symbol.asyncDispose]() {},
  }
}

const offered = (name: string, { size, mtimeMs, ctimeMs }: Stats): OfferedFile => ({
  name,
  sizeBytes: size,
  version: String(mtimeMs),
  readable: String(ctimeMs),
})

const isSettled = ({ version }: OfferedFile): boolean => Date.now() - Number(version) >= SETTLE_MS

async function filesOf(folder: string): Promise<Dirent[]> {
  try {
    const entries = await fs.readdir(folder, { withFileTypes: true })
    return entries.filter((entry) => entry.isFile() && !isHidden(entry.name))
  } catch (cause) {
    throw new AppError('settings_invalid', 'the drop folder cannot be read', {
      cause,
      fix: 'Create the folder, or let the worker read it.',
    })
  }
}

/** Faults of the file itself; a file that is gone since it was listed is none of them. */
const UNREADABLE = new Set(['EACCES', 'EPERM', 'EIO'])

async function* contentOf(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(file) as AsyncIterable<Uint8Array>
  } catch (cause) {
    if (!UNREADABLE.has((cause as { code?: string }).code ?? '')) throw cause
    throw new AppError('file_unreadable', 'a file of the drop folder cannot be read', {
      cause,
      fix: 'Let the worker read the file.',
    })
  }
}
