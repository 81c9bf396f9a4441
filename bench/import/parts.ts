import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { activitiesOfRun } from './activities.ts'
import { copySeconds } from './copy.ts'
import { EHR_READER, generateEhr } from './ehr-file.ts'
import { type GeneratedFile, generate } from './file.ts'
import { installation, LOG_READER, type Reader } from './installation.ts'
import { badgeJson, jsonLines } from './json.ts'
import type { OneImport } from './one-import.ts'
import { importOf } from './own-process.ts'
import { loadWith, PEERS } from './peers/index.ts'
import type { Report } from './report.ts'
import { endedCpuSeconds } from './server-cpu.ts'

/** What can be measured by itself. */
export const PARTS = ['log', 'dirty', 'shuffled', 'ehr', 'large', 'json', 'activities', 'peers'] as const
export type Part = (typeof PARTS)[number]

export interface Bench {
  url: string
  serverPid: number | undefined
  scratch: string
  rows: number
  largeRows: number
  pairs: number
  report: Report
}

/** Rounds of the slower parts: half of the pairs, and one at least. */
const fewer = ({ pairs }: Bench): number => Math.ceil(pairs / 2)
const file = ({ scratch }: Bench, name: string): string => path.join(scratch, `${name}.csv`)
const cleanLog = (bench: Bench) => generate(file(bench, 'clean'), bench.rows, 'clean')

/** Each adds to the report; a part that fails leaves what it had measured. */
export const MEASURE: Readonly<Record<Part, (bench: Bench) => Promise<void>>> = {
  async log(bench) {
    const clean = await cleanLog(bench)
    for (let n = 0; n < bench.pairs; n += 1) await pair(bench, 'log', LOG_READER, clean, clean, true)
  },
  async dirty(bench) {
    const [clean, dirty] = [await cleanLog(bench), await generate(file(bench, 'dirty'), bench.rows, 'dirty')]
    for (let n = 0; n < fewer(bench); n += 1) await pair(bench, 'dirty', LOG_READER, dirty, clean)
  },
  async shuffled(bench) {
    const shuffled = await generate(file(bench, 'shuffled'), bench.rows, 'shuffled')
    await pair(bench, 'shuffled', LOG_READER, shuffled, shuffled)
  },
  async ehr(bench) {
    const log = await generateEhr(file(bench, 'ehr'), bench.rows)
    for (let n = 0; n < fewer(bench); n += 1) await pair(bench, 'ehr', EHR_READER, log, log)
  },
  async large(bench) {
    const log = await generateEhr(file(bench, 'large'), bench.largeRows)
    await pair(bench, 'large', EHR_READER, log, log)
  },
  async json({ report }) {
    report.json = { lines: await jsonLines(), badges: await badgeJson() }
  },
  async activities(bench) {
    bench.report.activities = await activitiesOfRun(bench, LOG_READER, await cleanLog(bench))
  },
  async peers(bench) {
    const clean = await cleanLog(bench)
    const found = PEERS.map((peer) => ({ peer, version: peer.version() }))
    for (const { peer, version } of found) {
      const { name, must, aim } = peer
      bench.report.peers.push({ name, must, aim, version, command: null, trouble: null, runs: [] })
    }
    // One of each in turn, so that what disturbs the machine disturbs all.
    for (let n = 0; n < fewer(bench); n += 1) {
      for (const { peer, version } of found) if (version !== null) await againstCopy(bench, peer, clean)
    }
  },
}

async function againstCopy({ url, scratch, report }: Bench, peer: (typeof PEERS)[number], log: GeneratedFile) {
  const entry = report.peers.find(({ name }) => name === peer.name)
  if (!entry || entry.trouble !== null) return
  const load = os.loadavg()[0] as number
  const copy = await copySeconds(url, log)
  try {
    const { seconds, command } = await loadWith(peer, url, log, scratch)
    entry.command = command
    entry.runs.push({ copy, seconds, load })
    console.error(`${peer.name}: COPY ${copy.toFixed(2)} s, ${seconds.toFixed(2)} s (${(copy / seconds).toFixed(2)})`)
  } catch (error) {
    entry.trouble = error instanceof Error ? error.message : String(error)
    console.error(`${peer.name}: ${entry.trouble}`)
  }
}

async function pair(bench: Bench, name: Part, reader: Reader, log: GeneratedFile, base: GeneratedFile, again = false) {
  const { url, serverPid, scratch, report } = bench
  const load = os.loadavg()[0] as number
  const serverCpu = () => endedCpuSeconds(serverPid) ?? 0
  const before = serverCpu()
  const copy = await copySeconds(url, base)
  await sleep(200)
  const copyCpu = serverCpu() - before
  await using place = await installation(reader)
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
