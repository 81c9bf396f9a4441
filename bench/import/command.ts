import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { startPostgres } from '../../cli/embedded/postgres.ts'
import { prepareTemplate } from '../../test/harness/database.ts'
import { copyClient } from './copy.ts'
import { type Bench, MEASURE, PARTS, type Part } from './parts.ts'
import { serverOf, write } from './report.ts'

interface Options {
  pairs: number
  rows: number
  largeRows: number
  parts: readonly Part[]
  out: string
  databaseUrl?: string
}

export const importBench = new Command('import')
  .description('the whole import of a file, as a part of a plain COPY of the same file, and what else would load it')
  .option('--pairs <n>', 'pairs of COPY and import; half as many of what is slower', count, 5)
  .option('--rows <n>', 'rows of a file', count, 1_000_000)
  .option(
    '--large-rows <n>',
    'rows of the large file: 600 bytes each, and about five times that on the disk',
    count,
    5_000_000,
  )
  .option('--parts <names>', `of ${PARTS.join(', ')}; all of them unless told`, parts, [...PARTS])
  .option('--out <folder>', 'where the table and the JSON are written', path.join(os.tmpdir(), 'openirm-bench'))
  .option('--database-url <url>', 'a server of your own; else one is started with the settings of `openirm up`')
  .action(run)

function count(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) throw new InvalidArgumentError('A whole number from 1 on.')
  return number
}

function parts(text: string): Part[] {
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.filter((name) => !(PARTS as readonly string[]).includes(name))
  if (unknown.length > 0) throw new InvalidArgumentError(`There is no ${unknown.join(', ')}: ${PARTS.join(', ')}.`)
  return PARTS.filter((part) => names.includes(part))
}

/** Ends with 1 where a part failed; the others are in the table all the same. */
async function run({ pairs, rows, largeRows, parts: chosen, out, databaseUrl }: Options): Promise<void> {
  mkdirSync(out, { recursive: true })
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'openirm-bench-'))
  // PostgreSQL runs as a user of its own, who has to get to its data.
  chmodSync(scratch, 0o755)
  const log = { info: (message: string) => console.error(message) }
  const server = databaseUrl ? undefined : await startPostgres({ dataDir: path.join(scratch, 'data'), log })
  const url = databaseUrl ?? (server?.url as string)
  try {
    await prepareTemplate(url)
    process.env['OPENIRM_TEST_DATABASE_URL'] = url
    const report: Bench['report'] = {
      server: await serverOf(url),
      copyClient: copyClient(),
      pairs: [],
      json: null,
      activities: null,
      peers: [],
      failures: [],
    }
    for (const part of chosen) {
      try {
        await MEASURE[part]({ url, serverPid: server?.pid, scratch, rows, largeRows, pairs, report })
      } catch (error) {
        report.failures.push({ part, why: error instanceof Error ? error.message : String(error) })
        process.exitCode = 1
      }
      // Written after each: whoever stops it has what was measured.
      write(report, out)
    }
    for (const name of write(report, out, console.log)) console.error(`written: ${name}`)
  } finally {
    await server?.stop()
    rmSync(scratch, { recursive: true, force: true })
  }
}
