import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { startPostgres } from '../../cli/embedded/postgres.ts'
import { prepareTemplate } from '../../test/harness/database.ts'
import { copyClient, copySeconds } from './copy.ts'
import { type GeneratedFile, generate, type Variant } from './file.ts'
import { CUSTOM_FILE, type Installation, installation } from './installation.ts'
import { jsonRatio } from './json-lines.ts'
import type { OneImport, OneImportRequest } from './one-import.ts'
import { type Report, serverOf, write } from './report.ts'
import { endedCpuSeconds } from './server-cpu.ts'

interface Options {
  pairs: string
  rows: string
  largeRows: string
  shuffledPairs: string
  out: string
  databaseUrl?: string
}

export const importBench = new Command('import')
  .description('the whole import of a file, as a part of a plain COPY of the same file')
  .option('--pairs <n>', 'pairs of COPY and import', '5')
  .option('--rows <n>', 'rows of the file', '1000000')
  .option('--large-rows <n>', 'rows of the large file; 0 leaves it out', '5000000')
  .option('--shuffled-pairs <n>', 'pairs with a file in random order', '1')
  .option('--out <folder>', 'where the table and the JSON are written', path.join(os.tmpdir(), 'openirm-bench'))
  .option('--database-url <url>', 'a server of your own; else one is started with the settings of `openirm up`')
  .action(run)

async function run(options: Options): Promise<void> {
  mkdirSync(options.out, { recursive: true })
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'openirm-bench-'))
  // PostgreSQL runs as a user of its own, who has to get to its data.
  chmodSync(scratch, 0o755)
  const log = { info: (message: string) => console.error(message) }
  const server = options.databaseUrl ? undefined : await startPostgres({ dataDir: path.join(scratch, 'data'), log })
  const url = options.databaseUrl ?? (server?.url as string)
  try {
    await prepareTemplate(url)
    process.env['OPENIRM_TEST_DATABASE_URL'] = url
    const report = await measure(url, server?.pid, scratch, options)
    for (const file of write(report, options.out)) console.error(`written: ${file}`)
  } finally {
    await server?.stop()
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function measure(url: string, serverPid: number | undefined, scratch: string, options: Options): Promise<Report> {
  const report: Report = { server: await serverOf(url), copyClient: copyClient(), pairs: [], json: await jsonRatio() }
  const file = (name: Variant | 'large', rows: number) =>
    generate(path.join(scratch, `${name}.csv`), rows, name === 'large' ? 'clean' : name)
  const rows = Number(options.rows)
  const clean = await file('clean', rows)
  const dirty = await file('dirty', rows)
  const pair = async (name: string, log: GeneratedFile, base: GeneratedFile, again = false) => {
    const load = os.loadavg()[0] as number
    const serverCpu = () => endedCpuSeconds(serverPid) ?? 0
    const before = serverCpu()
    const copy = await copySeconds(url, base.path)
    await sleep(200)
    const copyCpu = serverCpu() - before
    await using place = await installation('custom-file', CUSTOM_FILE)
    const beforeImport = serverCpu()
    const first = await importOf(place, scratch, log.path, false)
    await sleep(200)
    const importCpu = serverCpu() - beforeImport
    check(first, log)
    const second = again ? await importOf(place, scratch, log.path, true) : null
    if (second) checkAgain(second, log)
    report.pairs.push({ name, rows: log.rows, bytes: log.bytes, load, copy, copyCpu, importCpu, first, second })
    console.error(
      `${name}: COPY ${copy.toFixed(2)} s, import ${first.seconds.toFixed(2)} s (${(copy / first.seconds).toFixed(2)}), ` +
        `${second ? `again ${second.seconds.toFixed(2)} s, ` : ''}cpu ${first.cpuSeconds.toFixed(1)} + ${importCpu.toFixed(1)} s (COPY ${copyCpu.toFixed(1)} s), ` +
        `${Math.round(first.peakRssBytes / 1e6)} MB, load ${load.toFixed(1)}`,
    )
  }
  for (let n = 0; n < Number(options.pairs); n += 1) {
    await pair('clean', clean, clean, true)
    await pair('dirty', dirty, clean)
  }
  if (Number(options.shuffledPairs) > 0) {
    const shuffled = await file('shuffled', rows)
    for (let n = 0; n < Number(options.shuffledPairs); n += 1) await pair('random order', shuffled, shuffled)
    rmSync(shuffled.path)
  }
  if (Number(options.largeRows) > 0) {
    const large = await file('large', Number(options.largeRows))
    await pair('large', large, large)
  }
  return report
}

/** A figure of an import that lost or kept too much is worth nothing. */
function check({ balance }: OneImport, log: GeneratedFile): void {
  const expected = {
    received: log.rows,
    stored: log.rows - log.bad - log.repeated,
    duplicate: log.repeated,
    quarantined: log.bad,
    ignored: 0,
  }
  if (JSON.stringify(balance) !== JSON.stringify(expected))
    throw new Error(`the import does not balance: ${JSON.stringify(balance)}, expected ${JSON.stringify(expected)}`)
}

function checkAgain({ balance }: OneImport, log: GeneratedFile): void {
  if (balance.stored !== 0 || balance.duplicate !== log.rows - log.bad)
    throw new Error(`the second import stored something: ${JSON.stringify(balance)}`)
}

async function importOf(place: Installation, scratch: string, file: string, again: boolean): Promise<OneImport> {
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
