import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import type { Looking } from './looking.ts'

const PIECE_BYTES = 1 << 20

/** Every byte of every file below a folder. Files that go away meanwhile are passed over. */
export async function lookAtFiles(
  folder: string,
  surfaceOf: (file: string) => string,
  looking: Looking,
): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = path.join(entry.parentPath, entry.name)
    const look = looking.at(surfaceOf(file), file)
    // The name is part of the surface.
    look(`${path.relative(folder, file)}\n`)
    try {
      for await (const piece of createReadStream(file, { highWaterMark: PIECE_BYTES })) look(piece as Buffer)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}
