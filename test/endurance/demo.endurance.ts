import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import type { Report } from '../../cli/demo/report.ts'
import { Random } from '../../sandbox/organisation/random.ts'
import { killTree } from './tree.ts'

/**
 * Kills the whole process tree of the demo at random moments and starts it again, until so many kills have hit a story
 * that was under way; then the story must have come out as one that nobody disturbed. A moment is a random line of the
 * demo's output and a random time behind it, so that on a slow machine not every kill meets a start.
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

const reportIn = ({ report }: Home): Report => JSON.parse(readFileSync(report, 'utf8')) as Report

async function finished(at: Home, ...more: string[]): Promise<{ report: Report; lines: number }> {
  const run = start(at, ...more)
  const code = await run.ended
  expect(code, run.output()).toBe(0)
  return { report: reportIn(at), lines: linesIn(run.output()) }
}

/** What may not depend on how often the story was interrupted. */
const outcomeOf = ({ stories, imports, alerts, approvals, cases, deliveries, privacyScan }: Report) => ({
  stories,
  imports,
  alerts,
  approvals,
  cases,
  deliveries,
  hits: privacyScan?.hits,
})

const linesIn = (output: string): number => output.split('\n').length - 1

test(`a story that is killed ${KILLS} times ends as one that is not`, async () => {
  const startedAt = performance.now()
  const { report: undisturbed, lines } = await finished(home('undisturbed'), '--fresh')
  const longestMs = Math.round((performance.now() - startedAt) / 10)
  const disturbed = home('disturbed')
  const random = new Random(SEED)
  let isNew = true
  let told = 0
  for (let kills = 0; kills < KILLS; ) {
    const run = start(disturbed, isNew ? '--fresh' : '--resume')
    isNew = false
    const line = random.whole(0, lines)
    const delayMs = random.whole(0, longestMs)
    let hasEnded = false
    const ended = run.ended.finally(() => {
      hasEnded = true
    })
    const moment = (async () => {
      while (!hasEnded && linesIn(run.output()) < line) await sleep(20)
      await sleep(delayMs)
      return null
    })()
    const code = await Promise.race([ended, moment])
    if (code !== null) {
      // It was told before its kill came: the next one begins anew, so that every kill hits one under way.
      expect(code, run.output()).toBe(0)
      expect(outcomeOf(reportIn(disturbed))).toEqual(outcomeOf(undisturbed))
      told += 1
      isNew = true
      continue
    }
    const processes = killTree(run.pid)
    await run.ended
    kills += 1
    const last = run.output().trimEnd().split('\n').at(-1)?.trim()
    console.log(`kill ${kills}: ${processes} processes, ${delayMs} ms after line ${line}; the last one was: ${last}`)
  }
  const { report } = await finished(disturbed, '--resume')
  expect(outcomeOf(report)).toEqual(outcomeOf(undisturbed))
  console.log(`${KILLS} kills, ${told + 1} stories told, all with the same outcome`)
})
