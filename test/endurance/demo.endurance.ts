import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import type { Report } from '../../cli/demo/report.ts'
import { Random } from '../../sandbox/organisation/random.ts'
import { killTree } from './tree.ts'

/**
 * Kills the whole process tree of the demo at random moments and starts it again, until so many kills have hit a story
 * that was under way; then the story must have come out as one that nobody disturbed.
 */
const KILLS = Number(process.env['OPENIRM_ENDURANCE_KILLS'] ?? 20)
const SEED = Number(process.env['OPENIRM_ENDURANCE_SEED'] ?? 1)
const PEOPLE = process.env['OPENIRM_ENDURANCE_PEOPLE'] ?? '60'

const root = path.join(import.meta.dirname, '../..')
const folders: string[] = []
const running = new Set<ChildProcess>()
afterAll(() => {
  for (const child of running) if (child.pid !== undefined) killTree(child.pid)
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

interface Home {
  folder: string
  report: string
}

function home(name: string): Home {
  const folder = mkdtempSync(path.join(os.tmpdir(), `openirm-${name}-`))
  chmodSync(folder, 0o755)
  folders.push(folder)
  return { folder, report: path.join(folder, 'report.json') }
}

const until = new Date(Math.floor(Date.now() / 60_000) * 60_000).toISOString()

function start({ folder, report }: Home, ...more: string[]) {
  const story = ['--seed', 'endurance', '--people', PEOPLE, '--until', until]
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', 'cli/openirm.ts', 'demo', '--once', '--report', report, ...story, ...more],
    { cwd: root, env: { ...process.env, OPENIRM_DATA_DIR: folder, NO_COLOR: '1' } },
  )
  running.add(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      output += text
    })
  }
  const ended = once(child, 'exit').then(([code]) => {
    running.delete(child)
    return code as number | null
  })
  return { pid: child.pid as number, output: () => output, ended }
}

async function finished(at: Home, ...more: string[]): Promise<Report> {
  const run = start(at, ...more)
  const code = await run.ended
  expect(code, run.output()).toBe(0)
  return JSON.parse(readFileSync(at.report, 'utf8')) as Report
}

/** What may not depend on how often the story was interrupted. */
const outcomeOf = ({ imports, alerts, approvals, cases, deliveries, privacyScan }: Report) => ({
  imports,
  alerts,
  approvals,
  cases,
  deliveries,
  hits: privacyScan?.hits,
})

test(`a story that is killed ${KILLS} times ends as one that is not`, async () => {
  const startedAt = performance.now()
  const undisturbed = await finished(home('undisturbed'), '--fresh')
  const storyMs = performance.now() - startedAt
  const disturbed = home('disturbed')
  const random = new Random(SEED)
  let kills = 0
  let lastLines: string[] = []
  // A story that came to its end before its kill is begun anew, so that every kill hits one under way.
  let told = 0
  while (kills < KILLS) {
    const run = start(disturbed, existsSync(disturbed.report) ? '--fresh' : '--resume')
    if (existsSync(disturbed.report)) rmSync(disturbed.report)
    const delay = Math.round(random.unit() * storyMs)
    const outcome = await Promise.race([run.ended.then((code) => ({ code })), sleep(delay).then(() => null)])
    if (outcome !== null) {
      expect(outcome.code, run.output()).toBe(0)
      expect(outcomeOf(JSON.parse(readFileSync(disturbed.report, 'utf8')) as Report)).toEqual(outcomeOf(undisturbed))
      told += 1
      continue
    }
    const processes = killTree(run.pid)
    await run.ended
    kills += 1
    lastLines = run.output().trimEnd().split('\n').slice(-1)
    console.log(
      `kill ${kills} after ${(delay / 1000).toFixed(1)} s, ${processes} processes, in: ${lastLines[0]?.trim()}`,
    )
  }
  const report = await finished(disturbed, '--resume')
  expect(report.resumed).toBe(true)
  expect(outcomeOf(report)).toEqual(outcomeOf(undisturbed))
  console.log(`${kills} kills, ${told + 1} stories told, all with the same outcome`)
})
