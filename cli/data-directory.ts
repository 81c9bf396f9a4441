import path from 'node:path'

/** Where this installation keeps its data, keys and spool. */
export const dataDirectory = (env = process.env): string => path.resolve(env['OPENIRM_DATA_DIR'] ?? '.openirm')
export const keyRingFile = (): string => path.join(dataDirectory(), 'keys.json')
