/** What `continuing.test.ts` shows of triages, approvals and exports, of the other processes that go on for long. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nudgeEvaluations } from '../../activities/nudges.ts'
import * as processes from '../../api/processes.ts'
import { currentRules, parseRules } from '../../db/identity-rules.ts'
import { noticeTouched } from '../../db/notices.ts'
import { resolveIdentities } from '../../db/people.ts'
import { readSetup } from '../../db/setups.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import {
  type CaseResult,
  type EvaluationResult,
  type IdentityUpkeepResult,
  SIGNALS,
  workflowId,
} from '../../domain/processes.ts'
import { raiseAlert } from '../harness/alerts.ts'
import { importFile } from '../harness/files.ts'
import { EVENTS, type RenewingTemporal, startRenewingTemporal, untilContinued } from '../harness/renewing.ts'
import { personAt } from '../harness/rows.ts'
import { beginSetup, configureSetup, HR_SAMPLE, uploadSample } from '../harness/setups.ts'
import { eventually, refusalOf, type World } from '../harness/world.ts'
import { type Edge, edge, HEADER, lines, named, review, row } from '../microsoft/edge.ts'

const TIMEOUT = { timeout: 60_000 }
/** How long a run of uploads waits for its next block, and where a record goes on in it. */
const QUIET_MS = 7_000
const CUT_MS = 60_000
/** Acts that meet in a process, so that some are under way when it continues as new. */
const AT_ONCE = 5

let temporal: RenewingTemporal
let e: Edge
let w: World

beforeAll(async () => {
  temporal = await startRenewingTemporal()
  e = await edge({ temporalAddress: temporal.address, quietMs: QUIET_MS, cutMs: CUT_MS })
  w = e.t.w
})
afterAll(async () => {
  await e?.[Symbol.asyncDispose]()
  await temporal?.[Symbol.asyncDispose]()
})

const atOnce = <T>(act: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: AT_ONCE }, act))
const shownOf = async (id: string): Promise<string | undefined> =>
  (await w.client.workflow.getHandle(id).query<{ currentDetails?: string }>('__temporal_workflow_metadata'))
    .currentDetails
const count = async (subjectId: string, action: string): Promise<number> =>
  (
    await w.t.db
      .selectFrom('audit_entry')
      .select('action')
      .where('subject_id', '=', subjectId)
      .where('action', '=', action)
      .execute()
  ).length

test.concurrent(
  'a case goes on in its next run: no act of before is done twice, those under way are answered, and it ends',
  TIMEOUT,
  async () => {
    const { caseId, alertId, analyst } = await openedCase()
    const id = workflowId.caseWork(caseId)
    const worded = async (causeKey: string) => ({
      staffId: analyst,
      causeKey,
      commentId: await w.comment('case', caseId, analyst, 'Asked the team.'),
    })
    const assign = () =>
      processes.assignCase(w.client, caseId, { staffId: analyst, causeKey: 'mine', assigneeId: analyst })
    const said = await worded('said')
    const assigned = await assign()
    const noted = await processes.addCaseNote(w.client, caseId, said)
    const answers: CaseResult[] = [assigned, noted]
    await untilContinued(w.client, id, async () => {
      answers.push(...(await atOnce(async () => processes.addCaseNote(w.client, caseId, await worded(randomUUID())))))
    })
    const revisions = answers.map(({ revision }) => revision).sort((one, other) => one - other)
    expect(revisions).toEqual(answers.map((_, index) => index + 2))

    expect(await eventually(() => shownOf(id), { until: Boolean })).toContain('active')
    expect(await processes.addCaseNote(w.client, caseId, said)).toEqual(noted)
    expect(await count(caseId, 'case.noted')).toBe(answers.length - 1)

    const resolution = { ...(await worded('done')), resolution: 'confirmed_violation' as const }
    const resolved = await processes.resolveCase(w.client, caseId, resolution)
    expect(resolved).toEqual({ caseId, state: 'resolved', revision: answers.length + 2 })
    expect(await w.client.workflow.getHandle(id).result()).toEqual(resolved)
    expect(await processes.resolveCase(w.client, caseId, resolution)).toEqual(resolved)
    expect(await assign()).toEqual(assigned)
    expect(await refusalOf(processes.addCaseNote(w.client, caseId, await worded('late')))).toBe('state_conflict')
    const alert = await w.t.db.selectFrom('alert').selectAll().where('id', '=', alertId).executeTakeFirstOrThrow()
    expect(alert).toMatchObject({ state: 'resolved', case_id: caseId })
  },
)

/** A case that an analyst asked for and one person approved. */
async function openedCase() {
  const alertId = await raiseAlert(w, await w.policy('data-theft-departing-users', 'Cases'))
  const [analyst, approver] = [await w.staff('Ana', ['analyst']), await w.staff('Per', ['approver'])]
  const commentId = await w.comment('alert', alertId, analyst, 'Look at this.')
  await processes.escalateAlert(w.client, alertId, { staffId: analyst, causeKey: 'ask', commentId })
  const asked = await w.t.db
    .selectFrom('approval')
    .selectAll()
    .where('alert_id', '=', alertId)
    .executeTakeFirstOrThrow()
  const approval = {
    approvalId: asked.id,
    alertId,
    requestedBy: analyst,
    quorum: asked.quorum,
    remindAt: null,
    expiresAt: asked.expires_at.toISOString(),
  }
  const yes = { staffId: approver, causeKey: 'yes', decision: 'approve' as const, commentId: null }
  await processes.decideApproval(w.client, approval, yes)
  const opened = () =>
    w.t.db.selectFrom('case_file').select('id').where('approval_id', '=', asked.id).executeTakeFirst()
  const { id: caseId } = (await eventually(opened, { until: Boolean })) as { id: string }
  return { caseId, alertId, analyst }
}

test.concurrent(
  'a set-up goes on in its next run: what was done is done, a repeated act is not, and an import proves it',
  TIMEOUT,
  async () => {
    const { setup, perform } = await beginSetup(w)
    const id = workflowId.setup(setup.connectorId)
    const goOn = () => untilContinued(w.client, id, () => atOnce(() => perform('prerequisites')))
    const failed = await perform('credentials', 'without settings')
    expect(failed).toMatchObject({ state: 'failed', code: 'settings_invalid' })
    const earlier = await goOn()
    await configureSetup(w, setup.setupId)
    await uploadSample(w, setup.setupId)
    const steps = ['credentials', 'test', 'map'] as const
    const done = new Map<(typeof steps)[number], unknown>()
    for (const step of steps) done.set(step, await perform(step, `ready for ${step}`))
    const later = await goOn()
    expect(await eventually(() => shownOf(id), { until: Boolean })).toContain('open')
    for (const step of steps) expect(await perform(step, `ready for ${step}`), step).toEqual(done.get(step))
    expect(await perform('credentials', 'without settings')).toEqual(failed)
    expect(await count(setup.connectorId, 'set-up.credentials')).toBe(2)
    expect(await count(setup.connectorId, 'set-up.prerequisites')).toBe((earlier + later) * AT_ONCE)

    await perform('dry_run')
    const activated = await perform('activate', 'go')
    expect(activated).toEqual({ step: 'activate', state: 'done' })
    const { id: importId } = await importFile(w, setup.connectorId, HR_SAMPLE)
    await w.client.workflow.getHandle(id).result()
    const { state, steps: stored } = await readSetup(w.t.db, setup.setupId)
    expect(state).toBe('proven')
    expect(stored).toMatchObject({ proven: { result: { importId } } })
    expect(await perform('activate', 'go')).toEqual(activated)
  },
)

test.concurrent('a set-up that is abandoned after it continued as new ends', TIMEOUT, async () => {
  const { admin, setup, perform } = await beginSetup(w)
  const id = workflowId.setup(setup.connectorId)
  await untilContinued(w.client, id, () => atOnce(() => perform('credentials')))
  await processes.abandonSetup(w.client, setup, { staffId: admin, causeKey: 'leave' })
  await w.client.workflow.getHandle(id).result()
  expect(await readSetup(w.t.db, setup.setupId)).toMatchObject({ state: 'abandoned' })
})

/** A connector of files to which blocks of one run are sent. */
async function receiving(guid: string) {
  const ids = await e.target()
  const token = await e.token(ids)
  const send = (sequence: number, ...rows: string[]) =>
    e.send({
      token,
      jobId: ids.jobId,
      fileName: named(sequence, guid),
      body: lines(HEADER, ...rows),
    })
  const runOf = () =>
    w.t.db.selectFrom('upload_run').selectAll().where('connector_id', '=', ids.connectorId).executeTakeFirstOrThrow()
  const stir = async () => {
    const handle = w.client.workflow.getHandle(workflowId.uploadRun((await runOf()).id))
    return untilContinued(w.client, handle.workflowId, async () => {
      await handle.signal(SIGNALS.uploadCompleted)
      // Whoever signals to a run that is about to end is made to try again a second later.
      await sleep(100)
    })
  }
  return { ...ids, send, runOf, stir }
}

test.concurrent(
  'a run of uploads that continues as new between its blocks ends as one import with all its records',
  TIMEOUT,
  async () => {
    const { connectorId, send, runOf, stir } = await receiving(randomUUID())
    await send(1, row('a'), review('b', '"begins here'))
    await stir()
    await send(2, 'ends here"', review('c', '"begins here'))
    await stir()
    expect(await eventually(async () => shownOf(workflowId.uploadRun((await runOf()).id)), { until: Boolean })).toMatch(
      /^Looks again within \d+ seconds/,
    )
    await send(3, 'ends here"')
    const found = await e.imported(connectorId, 1)
    expect(found).toMatchObject([{ state: 'completed', received: 3, stored: 3, quarantined: 0 }])
    const run = await runOf()
    const result = await w.client.workflow.getHandle(workflowId.uploadRun(run.id)).result()
    expect(result).toEqual({ importIds: [found[0]?.id] })
    expect(run).toMatchObject({ state: 'joined', import_ids: [found[0]?.id] })
    expect(await count(connectorId, 'upload-run.joined')).toBe(1)
  },
)

test.concurrent(
  'a run of uploads that continues as new waits no longer for a further block than it was to',
  TIMEOUT,
  async () => {
    const STIRRED_AFTER_MS = 3_000
    const { connectorId, send, runOf, stir } = await receiving(randomUUID())
    await send(1, row('d'), row('e'))
    const arrived = (await runOf()).created_at.getTime()
    await sleep(STIRRED_AFTER_MS)
    await stir()
    const { startTime } = await w.client.workflow.getHandle(workflowId.uploadRun((await runOf()).id)).describe()
    expect(startTime.getTime() - arrived).toBeGreaterThan(STIRRED_AFTER_MS - 100)
    expect(await e.imported(connectorId, 1)).toMatchObject([{ state: 'completed', stored: 2 }])
    const joined = (await runOf()).joined_at?.getTime() as number
    expect(joined - arrived).toBeGreaterThan(QUIET_MS - 100)
    // A wait that had begun anew would not have come to this.
    expect(joined - startTime.getTime()).toBeLessThan(QUIET_MS - 100)
  },
)

test.concurrent(
  'a run of uploads of a paused connector continues as new without importing, until it is resumed',
  TIMEOUT,
  async () => {
    const { connectorId, send, runOf, stir } = await receiving(randomUUID())
    await e.admin.post(`/connectors/${connectorId}/pause`)
    await send(1, row('f'), row('g'))
    await send(2, row('h'))
    await stir()
    expect(await e.imports(connectorId)).toEqual([])
    await e.admin.post(`/connectors/${connectorId}/resume`)
    await w.client.workflow.getHandle(workflowId.uploadRun((await runOf()).id)).signal(SIGNALS.uploadCompleted)
    expect(await e.imported(connectorId, 1)).toMatchObject([{ state: 'completed', stored: 3 }])
  },
)

/** Accounts that nobody has met before. */
async function met(addresses: string[]): Promise<number[]> {
  const cache = new Map<string, number>()
  await resolveIdentities(
    w.t.db,
    w.t.vault,
    addresses.map((value) => ({ scheme: 'address' as const, value })),
    cache,
  )
  return [...cache.values()]
}

test(
  'an evaluation that continues as new looks at everybody who was asked for before and meanwhile, once',
  TIMEOUT,
  async () => {
    /** More than are looked at in one piece. */
    const CROWD = 2_500
    const policyId = await w.policy('data-theft-departing-users', 'Looked at again')
    const id = workflowId.evaluation(policyId)
    const handle = w.client.workflow.getHandle(id)
    // Rollups are filled, and everybody is looked at.
    await processes.requestEvaluation(w.client, policyId)
    await handle.result()
    const evaluations = () =>
      w.t.db.selectFrom('evaluation').selectAll().where('policy_id', '=', policyId).orderBy('created_at').execute()
    const before = (await evaluations()).length
    const ask = async (addresses: string[]) => {
      const accounts = await met(addresses)
      await w.t.db.transaction().execute((tx) => noticeTouched(tx, accounts))
      await nudgeEvaluations(w.deps)()
    }
    await ask(Array.from({ length: CROWD }, (_, index) => `crowd${index}@example.com`))
    const { runId } = await handle.describe()
    const asked = CROWD + (await untilContinued(w.client, id, (time) => ask([`meanwhile${time}@example.com`])))
    const { people } = (await w.client.workflow.getHandle(id, runId).result()) as EvaluationResult
    // Whoever was asked for last may have come to a run of their own.
    expect([asked, asked - 1]).toContain(people)
    const looked = async () =>
      (await evaluations()).slice(before).reduce((sum, evaluation) => sum + evaluation.people, 0)
    expect(await eventually(looked, { until: (sum) => sum >= asked })).toBe(asked)
    const waiting = w.t.db.selectFrom('evaluation_request').selectAll().where('policy_id', '=', policyId)
    expect(await waiting.execute()).toEqual([])
  },
)

test('an upkeep of identities that continues as new does what was asked for meanwhile', TIMEOUT, async () => {
  const handle = w.client.workflow.getHandle(workflowId.identityUpkeep)
  const pair = (name: string) => [`${name}@corp.example`, `${name}+more@corp.example`]
  const isJoined = async (name: string) => {
    const owners = await Promise.all(pair(name).map((address) => personAt(w.t, address)))
    return new Set(owners).size === 1
  }
  const { version } = await currentRules(w.t.db)
  await w.t.db
    .insertInto('identity_rules')
    .values({
      version: version + 1,
      definition: canonicalJson(parseRules({ plusAddresses: ['corp.example'] })),
    })
    .execute()
  const rosa = await met(pair('rosa'))
  await w.t.db.transaction().execute((tx) => noticeTouched(tx, rosa))
  const firstRun = await w.t.db.transaction().execute(async (tx) => {
    // Whoever tells the evaluations waits for this row; accounts are compared before.
    await tx.selectFrom('evaluation_notice').select('id').forUpdate().execute()
    await processes.wakeIdentities(w.client)
    const { runId } = await handle.describe()
    expect(await eventually(() => isJoined('rosa'), { until: Boolean })).toBe(true)
    await met(pair('ines'))
    for (let time = 0; time < EVENTS; time += 1) await processes.wakeIdentities(w.client)
    return runId
  })
  const result = (await handle.result()) as IdentityUpkeepResult
  expect(await isJoined('ines')).toBe(true)
  expect((await handle.describe()).runId).not.toBe(firstRun)
  const accounts = await w.t.db.selectFrom('identity').select('id').execute()
  expect(result).toEqual({ compared: accounts.length, recounted: 0 })
})
