import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Payload } from '@temporalio/common'
import { DefaultLogger, Runtime, Worker, type WorkflowBundleOption } from '@temporalio/worker'
import { DeterminismViolationError } from '@temporalio/workflow'
import { expect, test } from 'vitest'
import { EncryptingCodec } from '../../activities/payload-codec.ts'
import { SEARCH_ATTRIBUTES } from '../../domain/processes.ts'
import { bundleWorkflows } from '../../worker/bundle.ts'
import * as workflows from '../../workflows/index.ts'
import { HISTORY_SUFFIX, type History, readHistory, recordedRing, visit } from '../harness/histories.ts'
import { COURSES, tell } from './courses.ts'

// What a replay meets is looked at here; it needs no log.
Runtime.install({
  logger: new DefaultLogger('ERROR', () => {}),
  telemetryOptions: { logging: { filter: 'OFF', forward: {} } },
})

const root = path.join(import.meta.dirname, '../..')
const codec = new EncryptingCodec(recordedRing())
const names = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(HISTORY_SUFFIX))
  .map((name) => name.slice(0, -HISTORY_SUFFIX.length))
const fileOf = (name: string): string => path.join(import.meta.dirname, `${name}${HISTORY_SUFFIX}`)
const corpus = new Map<string, History>(names.map((name) => [name, readHistory(fileOf(name))]))

const startOf = ({ events }: History) => {
  const started = events[0]?.workflowExecutionStartedEventAttributes
  if (!started) throw new Error('a history does not begin with a start')
  return { runId: started.originalExecutionRunId as string, workflowId: started.workflowId as string }
}

/** Replays the whole corpus; what each history meets, by name. */
async function replay(workflowBundle: WorkflowBundleOption): Promise<Record<string, Error | undefined>> {
  const nameOf = new Map([...corpus].map(([name, history]) => [startOf(history).runId, name]))
  const histories = [...corpus.values()].map((history) => ({ workflowId: startOf(history).workflowId, history }))
  const met: Record<string, Error | undefined> = {}
  const options = { workflowBundle, dataConverter: { payloadCodecs: [codec] } }
  for await (const { runId, error } of Worker.runReplayHistories(options, histories)) {
    met[nameOf.get(runId) ?? runId] = error
  }
  return met
}

test('every workflow has a recorded history, and each history is the course of its name', async () => {
  expect(new Set(COURSES.map(({ name }) => name.split('.')[0]))).toEqual(new Set(Object.keys(workflows)))
  expect(names.toSorted()).toEqual(COURSES.map(({ name }) => name).toSorted())
  for (const { name, fits } of COURSES) expect(fits(await tell(corpus.get(name) as History, codec)), name).toBe(true)
  for (const name of names) expect(statSync(fileOf(name)).size, name).toBeLessThan(200_000)
})

/** Search attributes pass no codec. */
const IN_CLEAR = new Set<string>([
  ...Object.values(SEARCH_ATTRIBUTES),
  'TemporalScheduledById',
  'TemporalScheduledStartTime',
])
/** Of an activity that was broken off between two tries. */
const SERVERS_WORDS = ['"ACTIVITY_ID_NOT_STARTED"']
const textOf = (data: ArrayLike<number>): string => Buffer.from(data).toString()

test('histories name no machine, no folder and nobody; payloads are sealed', async () => {
  for (const [name, history] of corpus) {
    const sealed: Payload[] = []
    const said: string[] = []
    visit(history, (message, field) => {
      expect(message['stackTrace'] ?? '', name).toBe('')
      said.push(...Object.values(message).filter((value) => typeof value === 'string'))
      const { data } = message
      if (data instanceof Uint8Array && !IN_CLEAR.has(field) && !SERVERS_WORDS.includes(textOf(data)))
        sealed.push(message)
    })
    const opened = await codec.decode(sealed)
    expect(opened.length, name).toBeGreaterThan(0)
    for (const [index, payload] of opened.entries()) expect(payload, name).not.toBe(sealed[index])
    said.push(...opened.map(({ data }) => textOf(data ?? [])))
    for (const text of said) {
      // Machines, addresses of people, and places in a file system.
      expect(text, name).not.toMatch(/\w@[a-z]|\d@|file:\/\/|\/(home|tmp|root|Users)\//)
    }
  }
})

test('the workflows of today replay every recorded history', { timeout: 120_000 }, async () => {
  // Of the run, which bundled them as it began.
  const bundle = { codePath: process.env['OPENIRM_WORKFLOW_BUNDLE'] as string }
  expect(await replay(bundle)).toEqual(Object.fromEntries(names.map((name) => [name, undefined])))
})

/** Steps without which what is under way would break, and a history that has to tell. */
const STEPS = [
  { file: 'approval.ts', step: '  await nudgeTriage({ alertIds: [input.alertId] })\n', tells: 'approval.approved' },
  { file: 'evaluation.ts', step: '    if (!all) await sleep(DEBOUNCE)\n', tells: 'evaluation.nothing' },
  {
    file: 'prerequisiteCheck.ts',
    step: '  await applyConnectorSchedules({ connectorId })\n',
    tells: 'prerequisiteCheck.checked',
  },
  { file: 'importRun.ts', step: '  await nudgeEvaluations()\n', tells: 'importRun.completed' },
]

/** Replays the corpus with a copy of the workflows in which those steps are changed. */
async function replayChanged(change: (step: string) => string): Promise<Record<string, Error | undefined>> {
  const copy = mkdtempSync(path.join(os.tmpdir(), 'openirm-changed-'))
  try {
    for (const room of ['workflows', 'domain'])
      cpSync(path.join(root, room), path.join(copy, room), { recursive: true })
    cpSync(path.join(root, 'package.json'), path.join(copy, 'package.json'))
    symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
    for (const { file, step } of STEPS) {
      const changed = path.join(copy, 'workflows', file)
      const text = readFileSync(changed, 'utf8')
      expect(text.split(step), file).toHaveLength(2)
      writeFileSync(changed, `import { patched } from '@temporalio/workflow'\n${text.replace(step, change(step))}`)
    }
    return await replay(await bundleWorkflows(path.join(copy, 'workflows/index.ts')))
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

test('a step taken out without a patch is found, by the histories of its workflow alone', {
  timeout: 120_000,
}, async () => {
  const met = await replayChanged(() => '')
  for (const { tells } of STEPS) expect(met[tells], tells).toBeInstanceOf(DeterminismViolationError)
  const changed = STEPS.map(({ file }) => file.replace('.ts', ''))
  const others = names.filter((name) => !changed.includes(name.split('.')[0] as string))
  expect(others.length).toBeGreaterThan(10)
  for (const name of others) expect(met[name], name).toBeUndefined()
})

test('the same step taken out under a patch leaves what is under way as it was', { timeout: 120_000 }, async () => {
  const met = await replayChanged((step) => `  if (!patched('without')) {\n${step}  }\n`)
  expect(met).toEqual(Object.fromEntries(names.map((name) => [name, undefined])))
})
