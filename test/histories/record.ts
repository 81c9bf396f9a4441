/**
 * Records the corpus: runs the tests in which the courses happen, on the real server, and keeps the shortest history of
 * each course that has none. `npm run histories:record -- <course>…`: these, also where there is one already.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { EncryptingCodec } from '../../activities/payload-codec.ts'
import { HISTORY_SUFFIX, readHistory, recordedRing, writeHistory } from '../harness/histories.ts'
import { COURSES, tell } from './courses.ts'

const FILES = [
  'test/workflows/approval.test.ts',
  'test/workflows/continuing.test.ts',
  'test/workflows/continuing-others.test.ts',
  'test/workflows/imports.test.ts',
  'test/workflows/reconcile.test.ts',
  'test/workflows/setup.test.ts',
  'test/workflows/triage.test.ts',
  'test/api/identities.test.ts',
  'test/api/nouns.test.ts',
  'test/api/prerequisites.test.ts',
  'test/backfill.test.ts',
  'test/chain.test.ts',
  'test/late.test.ts',
  'test/microsoft/runs.test.ts',
]

const root = path.join(import.meta.dirname, '../..')
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !COURSES.some((course) => course.name === name))
if (unknown.length > 0) throw new Error(`test/histories/courses.ts has no ${unknown.join(', ')}`)
const fileOf = (name: string): string => path.join(import.meta.dirname, `${name}${HISTORY_SUFFIX}`)
const courses = COURSES.filter(({ name }) => (wanted.length > 0 ? wanted.includes(name) : !existsSync(fileOf(name))))
const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-histories-'))
try {
  const run = spawnSync('npx', ['vitest', 'run', ...FILES], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, OPENIRM_RECORD_HISTORIES: folder },
  })
  if (run.status !== 0) console.error('Some tests failed; what they left behind is looked at all the same.')
  await choose()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function choose(): Promise<void> {
  const codec = new EncryptingCodec(recordedRing())
  const recorded = await Promise.all(
    readdirSync(folder).map(async (name) => {
      const history = readHistory(path.join(folder, name))
      return { history, told: await tell(history, codec) }
    }),
  )
  for (const { name, fits } of courses) {
    const [shortest] = recorded
      .filter(({ told }) => fits(told))
      .sort((one, other) => one.history.events.length - other.history.events.length)
    if (!shortest) {
      console.error(`${name}: no test ran this course`)
      process.exitCode = 1
      continue
    }
    writeHistory(fileOf(name), shortest.history)
    console.log(`${name}: ${shortest.history.events.length} events`)
  }
}
