import { writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import pg from 'pg'
import type { JsonRatio } from './json-lines.ts'
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
  json: JsonRatio
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

export function tableOf({ server, copyClient, pairs, json }: Report): string {
  const names = [...new Set(pairs.map(({ name }) => name))]
  const settings = Object.entries(server.settings).map(([name, value]) => `${name} ${value}`)
  return `${[
    '| file | rows | pairs | COPY s | import s | rows/s | ÷ COPY | with spooling | again ÷ first | peak RSS MB | Node CPU s | load |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...names.map((name) =>
      line(
        name,
        pairs.filter((pair) => pair.name === name),
      ),
    ),
    '',
    `JSON lines: ${fixed(json.megabytes / json.readSeconds, 0)} MB/s read and mapped, ${fixed(json.megabytes / json.bareSeconds, 0)} MB/s by JSON.parse alone: ${fixed(json.bareSeconds / json.readSeconds)}.`,
    '',
    `${os.cpus()[0]?.model ?? 'unknown processor'}, ${os.cpus().length} cores, ${Math.round(os.totalmem() / 2 ** 30)} GiB; Node ${process.version}; PostgreSQL ${server.version} (${settings.join(', ')}); COPY by ${copyClient}.`,
  ].join('\n')}\n`
}

/** Writes table and figures; returns the files. */
export function write(report: Report, folder: string): string[] {
  const table = tableOf(report)
  console.log(table)
  const files = [path.join(folder, 'import.md'), path.join(folder, 'import.json')]
  writeFileSync(files[0] as string, table)
  writeFileSync(files[1] as string, `${JSON.stringify(report, null, 2)}\n`)
  return files
}
