import { WorkflowNotFoundError } from '@temporalio/client'
import { prerequisitesOf } from '../connectors/everywhere.ts'
import { appendAudit, entryOfAct } from '../db/audit.ts'
import type { Connection } from '../db/connection.ts'
import { maskJson } from '../db/masking.ts'
import { storePrerequisites } from '../db/prerequisites.ts'
import { dropSealed } from '../db/secrets.ts'
import { dropUnneeded } from '../db/spool-needs.ts'
import { canonicalJson } from '../domain/canonical.ts'
import { AppError, isAppError } from '../domain/errors.ts'
import {
  type HumanInput,
  type SetupStep,
  type SetupStepInput,
  type SetupStepResult,
  SIGNALS,
  workflowId,
} from '../domain/processes.ts'
import type { Mapped } from '../domain/signal.ts'
import { configuredConnector } from './connector-config.ts'
import type { Deps } from './deps.ts'
import { runChecks } from './prerequisites.ts'
import { firstRecords, shownOf, suggestMapping } from './samples.ts'
import { applyConnectorSchedules } from './schedules.ts'

/** Records that a dry run looks at, and how many of each kind it shows. */
const DRY_RUN_RECORDS = 500
const SHOWN = 5

interface StepState {
  state: 'done' | 'failed'
  at: string
  result: unknown
}
type Steps = Partial<Record<SetupStep, StepState>>

/** What has to be done before a step can be. */
const NEEDS: Record<Exclude<SetupStep, 'proven'>, readonly SetupStep[]> = {
  prerequisites: [],
  credentials: [],
  test: ['credentials'],
  map: [],
  dry_run: ['credentials', 'map'],
  activate: ['credentials', 'test', 'map', 'dry_run'],
}

/** What was answered when this person did this; null when it was not done yet. */
async function answeredStep(
  db: Connection,
  connectorId: string,
  { step, staffId, causeKey }: SetupStepInput,
): Promise<SetupStepResult | null> {
  const act = { subjectKind: 'connector', subjectId: connectorId, action: `set-up.${step}`, staffId, causeKey }
  const done = await entryOfAct(db, act)
  if (!done) return null
  const { state, code } = done.detail as unknown as SetupStepResult
  return { step, state, ...(code ? { code } : {}) }
}

/**
 * Performs one step and stores how it went; the words are in the set-up's row, the answer carries a code. The same act
 * again gets its first answer, also after the settings changed or the set-up was activated by it.
 */
export const performStep =
  (deps: Deps) =>
  async ({ setupId, ...act }: SetupStepInput & { setupId: string }): Promise<SetupStepResult> => {
    const { step, staffId, causeKey } = act
    const setup = await readSetup(deps.db, setupId)
    const performed = await answeredStep(deps.db, setup.connector_id, act)
    if (performed && setup.state === 'activated') await followActivation(deps, setup)
    if (performed) return performed
    mustBeOpen(setup)
    const steps = setup.steps as unknown as Steps
    const missing = NEEDS[step].filter((needed) => steps[needed]?.state !== 'done')
    if (missing.length > 0) {
      throw new AppError('setup_step_out_of_order', `${step} comes after ${missing.join(', ')}`, {
        fix: `Perform ${missing[0]} first.`,
      })
    }
    const outcome = await attempt(() => PERFORM[step](deps, setup))
    const answer = answerOf(step, outcome)
    await deps.db.transaction().execute(async (tx) => {
      await lockUnchanged(tx, setup)
      await saveStep(tx, setupId, step, outcome)
      if (step === 'activate' && outcome.state === 'done') await activate(tx, setup)
      await appendAudit(tx, {
        staffId,
        action: `set-up.${step}`,
        subjectKind: 'connector',
        subjectId: setup.connector_id,
        detail: {
          cause_key: causeKey,
          setup_id: setupId,
          state: answer.state,
          ...(answer.code ? { code: answer.code } : {}),
        },
      })
    })
    if (step === 'activate' && outcome.state === 'done') await followActivation(deps, setup)
    return answer
  }

/** What a step found; a fault that somebody has to mend is a finding too, any other is thrown. */
async function attempt(perform: () => Promise<unknown>): Promise<StepState> {
  const at = () => new Date().toISOString()
  try {
    return { state: 'done', result: await perform(), at: at() }
  } catch (error) {
    if (!isAppError(error) || error.retryable) throw error
    const { code, message, fix = null, field = null } = error
    return { state: 'failed', result: { code, detail: message, fix, field }, at: at() }
  }
}

function answerOf(step: SetupStep, { state, result }: StepState): SetupStepResult {
  return { step, state, ...(state === 'failed' ? { code: (result as { code: string }).code } : {}) }
}

/** Once activated the Schedules run, and the sample is no longer needed. */
async function followActivation(deps: Deps, setup: Setup): Promise<void> {
  await applyConnectorSchedules(deps)({ connectorId: setup.connector_id })
  await forgetSample(deps, setup.sample_sha256)
}

async function forgetSample(deps: Deps, sha256: string | null): Promise<void> {
  if (sha256 !== null) await dropUnneeded(deps.db, deps.spool, sha256)
}

function mustBeOpen({ state }: { state: string }): void {
  if (state !== 'open') throw new AppError('state_conflict', `the set-up is ${state}`)
}

const lockSetup = (tx: Connection, setupId: string) =>
  tx.selectFrom('connector_setup').select('id').where('id', '=', setupId).forUpdate().execute()

/** What a step found holds only for the settings and the sample that it was performed with. Throws state_conflict. */
async function lockUnchanged(tx: Connection, before: Setup): Promise<void> {
  await lockSetup(tx, before.id)
  const now = await readSetup(tx, before.id)
  mustBeOpen(now)
  const inputs = ({ settings, secret_id, sample_sha256 }: Setup) =>
    canonicalJson({ settings, secret_id, sample_sha256 })
  if (inputs(now) !== inputs(before)) {
    throw new AppError('state_conflict', 'the settings or the sample changed while the step ran', {
      fix: 'Perform the step again.',
    })
  }
}

/** Where a set-up stands, for a workflow that starts anew. */
export const readSetupState =
  (deps: Deps) =>
  async ({ setupId }: { setupId: string }): Promise<'open' | 'activated' | 'proven' | 'abandoned'> =>
    (await readSetup(deps.db, setupId)).state as 'open' | 'activated' | 'proven' | 'abandoned'

type Setup = Awaited<ReturnType<typeof readSetup>>

async function readSetup(db: Connection, setupId: string) {
  const row = await db
    .selectFrom('connector_setup')
    .innerJoin('connector', 'connector.id', 'connector_setup.connector_id')
    .selectAll('connector_setup')
    .select(['connector.kind', 'connector.settings', 'connector.secret_id'])
    .where('connector_setup.id', '=', setupId)
    .executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no set-up ${setupId}`)
  return row
}

async function saveStep(tx: Connection, setupId: string, step: SetupStep, outcome: StepState): Promise<void> {
  const row = await tx
    .selectFrom('connector_setup')
    .select('steps')
    .where('id', '=', setupId)
    .forUpdate()
    .executeTakeFirstOrThrow()
  const steps = { ...(row.steps as object), [step]: outcome }
  await tx
    .updateTable('connector_setup')
    .set((eb) => ({ steps: JSON.stringify(steps), revision: eb('revision', '+', 1), updated_at: new Date() }))
    .where('id', '=', setupId)
    .execute()
}

const PERFORM: Record<Exclude<SetupStep, 'proven'>, (deps: Deps, setup: Setup) => Promise<unknown>> = {
  credentials: async (deps, setup) => {
    await configuredConnector(deps.db, deps.vault, setup)
    return { settings: 'complete' }
  },
  prerequisites: async (deps, setup) => {
    const { definition, config } = await configuredConnector(deps.db, deps.vault, setup)
    const before = prerequisitesOf(definition).filter(({ when }) => when === 'before')
    const outcomes = await runChecks(deps, setup.connector_id, definition, config, before)
    await deps.db
      .transaction()
      .execute((tx) => storePrerequisites(tx, { kind: 'connector', id: setup.connector_id }, outcomes))
    const unmet = outcomes.find(({ state, onUnmet }) => state === 'unmet' && onUnmet === 'pause')
    if (unmet)
      throw new AppError('permission_missing', `${unmet.checkId}: ${unmet.detail}`, { fix: `See ${unmet.guide}.` })
    return { checks: outcomes }
  },
  test: async (deps, setup) => {
    const seen = await firstRecords(deps, setup, 1)
    return { reachable: true, records: seen.records.length }
  },
  map: suggestMapping,
  dry_run: async (deps, setup) => {
    const { records, configured } = await firstRecords(deps, setup, DRY_RUN_RECORDS)
    const counts = { activities: 0, facts: 0, ignored: 0, rejected: 0 }
    const decoded: unknown[] = []
    const rejects: unknown[] = []
    for (const record of records) {
      const mapped: Mapped = record.unreadable ?? configured.definition.map(record.record, configured.config)
      if (mapped.type === 'rejected') {
        counts.rejected += 1
        if (rejects.length < SHOWN)
          rejects.push({
            line: record.line,
            code: mapped.code,
            cell: mapped.cell ?? null,
            expected: mapped.expected ?? null,
          })
      } else if (mapped.type === 'ignored') counts.ignored += 1
      else {
        counts[mapped.type === 'fact' ? 'facts' : 'activities'] += 1
        if (decoded.length < SHOWN) decoded.push({ line: record.line, ...shownOf(mapped) })
      }
    }
    if (counts.activities + counts.facts === 0 && records.length > 0) {
      throw new AppError('mapping_invalid', `none of the first ${records.length} records could be decoded`, {
        fix: 'Correct the mapping; the first rejects name the cells.',
      })
    }
    return { records: records.length, ...counts, decoded: await maskJson(deps.db, deps.vault, decoded), rejects }
  },
  activate: async (deps, setup) => {
    const { definition } = await configuredConnector(deps.db, deps.vault, setup)
    return { delivery: definition.delivery }
  },
}

async function activate(tx: Connection, setup: Setup): Promise<void> {
  await tx
    .updateTable('connector')
    .set((eb) => ({ state: 'active', activated_at: new Date(), revision: eb('revision', '+', 1) }))
    .where('id', '=', setup.connector_id)
    .where('state', '=', 'draft')
    .execute()
  await tx.updateTable('connector_setup').set({ state: 'activated' }).where('id', '=', setup.id).execute()
}

/** Ends a set-up that nobody will finish: the draft connector is retired and no credential is left behind. */
export const endSetup =
  (deps: Deps) =>
  async ({ setupId, by }: { setupId: string; by: HumanInput }): Promise<void> => {
    const sample = await deps.db.transaction().execute(async (tx) => {
      // Settings that are being saved either come before and are dropped, or find the set-up abandoned.
      await lockSetup(tx, setupId)
      const setup = await readSetup(tx, setupId)
      if (setup.state === 'abandoned') return setup.sample_sha256
      if (setup.state !== 'open')
        throw new AppError('state_conflict', `the set-up is ${setup.state}`, { fix: 'Retire the connector instead.' })
      await tx
        .updateTable('connector')
        .set({ state: 'retired', secret_id: null })
        .where('id', '=', setup.connector_id)
        .execute()
      await tx
        .updateTable('connector_setup')
        .set({ state: 'abandoned', sample_name_id: null, updated_at: new Date() })
        .where('id', '=', setupId)
        .execute()
      await dropSealed(tx, setup.secret_id)
      await dropSealed(tx, setup.sample_name_id)
      await appendAudit(tx, {
        staffId: by.staffId,
        action: 'set-up.abandoned',
        subjectKind: 'connector',
        subjectId: setup.connector_id,
      })
      return setup.sample_sha256
    })
    await forgetSample(deps, sample)
  }

const provenBy = ({ proven }: Steps) => (proven?.result as { importId: string } | undefined)?.importId

/** After an import stored something: the first one proves the set-up. True for the import that proved it. */
export const proveSetup =
  (deps: Deps) =>
  async ({ connectorId, importId }: { connectorId: string; importId: string }): Promise<boolean> => {
    const proven = await deps.db.transaction().execute(async (tx) => {
      const setup = await tx
        .selectFrom('connector_setup')
        .select(['id', 'state', 'steps'])
        .where('connector_id', '=', connectorId)
        .where('state', 'in', ['activated', 'proven'])
        .forUpdate()
        .executeTakeFirst()
      if (!setup) return false
      if (setup.state === 'proven') return provenBy(setup.steps as unknown as Steps) === importId
      const at = new Date().toISOString()
      await saveStep(tx, setup.id, 'proven', { state: 'done', at, result: { importId } })
      await tx.updateTable('connector_setup').set({ state: 'proven' }).where('id', '=', setup.id).execute()
      return true
    })
    if (proven) {
      const handle = deps.temporal.workflow.getHandle(workflowId.setup(connectorId))
      await handle.signal(SIGNALS.firstImportStored).catch((error) => {
        // A set-up that has ended needs no telling; the row says it.
        if (!(error instanceof WorkflowNotFoundError)) throw error
      })
    }
    return proven
  }
