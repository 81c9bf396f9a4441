import { writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import pg from 'pg'
import type { RunActivities } from './activities.ts'
import { goals, verdict } from './goals.ts'
import type { JsonRatio } from './json.ts'
import type { OneImport } from './one-import.ts'

export interface Pair {
  name: string
  rows: number
  bytes: number
  /** Of the minute before. */
  load: number
  /** Seconds. */
  copy: number
  /** CPU of the server's processes, seconds; 0 where it is not known. */
  copyCpu: number
  importCpu: number
  first: OneImport
  second: OneImport | null
}

export interface Report {
  server: { version: string; settings: Record<string, string> }
  copyClient: string
  pairs: Pair[]
  json: { lines: JsonRatio; badges: JsonRatio } | null
  activities: RunActivities | null
  peers: PeerRuns[]
  /** Parts that could not be measured to their end. */
  failures: { part: string; why: string }[]
}

export interface PeerRuns {
  name: string
  must: number
  aim: number
  /** Null where it is not installed. */
  version: string | null
  command: string | null
  /** Why it did not load the file. */
  trouble: string | null
  runs: { copy: number; seconds: number; load: number }[]
}

const SETTINGS = ['fsync', 'synchronous_commit', 'shared_buffers', 'max_wal_size', 'wal_level', 'full_page_writes']

export async function serverOf(url: string): Promise<Report['server']> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const version = (await client.query('show server_version')).rows[0].server_version as string
    const settings: Record<string, string> = {}
    for (const name of SETTINGS) settings[name] = (await client.query(`show ${name}`)).rows[0][name] as string
    return { version, settings }
  } finally {
    await client.end()
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return Number.isInteger(middle)
    ? ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
    : (sorted[Math.floor(middle)] as number)
}

const fixed = (value: number, digits = 2): string => value.toFixed(digits)

/** One line per variant: medians over its pairs; the ratio is the median of the pairs' ratios. */
function line(name: string, pairs: readonly Pair[]): string {
  const of = (take: (pair: Pair) => number) => median(pairs.map(take))
  const seconds = of(({ first }) => first.seconds)
  const again = pairs.filter((pair): pair is Pair & { second: OneImport } => pair.second !== null)
  return `| ${[
    name,
    String(pairs[0]?.rows),
    String(pairs.length),
    fixed(of(({ copy }) => copy)),
    fixed(seconds),
    Math.round(of(({ rows, first }) => rows / first.seconds)).toLocaleString('en-GB'),
    `**${fixed(of(({ copy, first }) => copy / first.seconds))}**`,
    fixed(of(({ copy, first }) => copy / (first.seconds + first.spoolSeconds))),
    again.length > 0 ? fixed(median(again.map(({ first, second }) => second.seconds / first.seconds))) : '–',
    String(Math.round(Math.max(...pairs.map(({ first }) => first.peakRssBytes)) / 1e6)),
    fixed(
      of(({ first }) => first.cpuSeconds),
      1,
    ),
    fixed(
      of(({ load }) => load),
      1,
    ),
  ].join(' | ')} |`
}

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  `| ${header.join(' | ')} |`,
  `|${header.map(() => '---|').join('')}`,
  ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  '',
]

function goalTable(report: Report): string[] {
  const rows = goals(report).map((goal) => [
    goal.measure,
    goal.value === null ? 'not measured' : `**${fixed(goal.value, goal.digits)}**`,
    verdict(goal, goal.must),
    verdict(goal, goal.aim),
  ])
  return table(['measure', 'measured', 'must', 'aim'], rows)
}

function pairTable(pairs: readonly Pair[]): string[] {
  if (pairs.length === 0) return []
  const names = [...new Set(pairs.map(({ name }) => name))]
  return [
    '| file | rows | pairs | COPY s | import s | rows/s | ÷ COPY | with spooling | again ÷ first | peak RSS MB | Node CPU s | load |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...names.map((name) =>
      line(
        name,
        pairs.filter((pair) => pair.name === name),
      ),
    ),
    '',
  ]
}

function peerTable(peers: readonly PeerRuns[]): string[] {
  if (peers.length === 0) return []
  const of = (runs: PeerRuns['runs'], take: (run: PeerRuns['runs'][number]) => number) =>
    runs.length > 0 ? fixed(median(runs.map(take))) : '–'
  return table(
    ['peer', 'version', 'runs', 'seconds', '÷ COPY', 'command, or what kept it'],
    peers.map(({ name, version, runs, command, trouble }) => [
      name,
      version ?? 'not installed',
      String(runs.length),
      of(runs, ({ seconds }) => seconds),
      of(runs, ({ copy, seconds }) => copy / seconds),
      oneLine(trouble ?? command ?? '–'),
    ]),
  )
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').slice(0, 200)

export function tableOf(report: Report): string {
  const { server, copyClient, pairs, json, activities, peers, failures } = report
  const settings = Object.entries(server.settings).map(([name, value]) => `${name} ${value}`)
  const jsonLine = (what: string, { megabytes, readSeconds, bareSeconds }: JsonRatio) =>
    `${what}: ${fixed(megabytes / readSeconds, 0)} MB/s read and mapped, ${fixed(megabytes / bareSeconds, 0)} MB/s by JSON.parse alone.`
  return `${[
    ...goalTable(report),
    ...pairTable(pairs),
    ...peerTable(peers),
    ...(json ? [jsonLine('JSON lines', json.lines), jsonLine('Badging JSON', json.badges), ''] : []),
    ...(activities
      ? [
          `A run of ${activities.rows.toLocaleString('en-GB')} rows: ${activities.activities} activities, ${activities.events} events in its history.`,
          '',
        ]
      : []),
    ...failures.map(({ part, why }) => `**${part} failed**: ${oneLine(why)}\n`),
    `${os.cpus()[0]?.model ?? 'unknown processor'}, ${os.cpus().length} cores, ${Math.round(os.totalmem() / 2 ** 30)} GiB; Node ${process.version}; PostgreSQL ${server.version} (${settings.join(', ')}); COPY by ${copyClient}.`,
  ].join('\n')}\n`
}

/** Writes table and figures; returns the files. */
export function write(report: Report, folder: string, say: (table: string) => void = () => {}): string[] {
  const text = tableOf(report)
  say(text)
  const files = [path.join(folder, 'import.md'), path.join(folder, 'import.json')]
  writeFileSync(files[0] as string, text)
  writeFileSync(files[1] as string, `${JSON.stringify({ ...report, goals: goals(report) }, null, 2)}\n`)
  return files
}
