import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'

export const TYPES_FILE = path.join(import.meta.dirname, 'generated/types.ts')

/** Writes the types of a migrated database; int8 and days are what `connection.ts` parses them into. */
export function generateTypes(url: string, outFile = TYPES_FILE): string {
  const made = spawnSync(
    process.execPath,
    [
      path.join(import.meta.dirname, '../node_modules/kysely-codegen/dist/cli/bin.js'),
      ...[
        '--dialect',
        'postgres',
        '--url',
        url,
        '--out-file',
        outFile,
        '--numeric-parser',
        'number',
        '--date-parser',
        'string',
      ],
      ...['--type-mapping', '{"int8":"number"}', '--exclude-pattern', 'kysely_*', '--log-level', 'error'],
    ],
    { encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`kysely-codegen ended with ${made.status}: ${made.stderr}`)
  return readFileSync(outFile, 'utf8')
}

if (process.argv[1] === import.meta.filename) {
  const url = process.env['DATABASE_URL']
  if (!url) throw new Error('set DATABASE_URL to a migrated database')
  generateTypes(url)
}
