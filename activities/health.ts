import { bookBlindness } from '../db/blindness.ts'
import type { Connection } from '../db/connection.ts'
import { storePrerequisites } from '../db/prerequisites.ts'
import { firstUnrecordedDay, recordSight as keepSight } from '../db/sight.ts'
import { parseSettings } from '../domain/form.ts'
import { addDays, dayOf } from '../domain/window.ts'
import { exporterKind } from '../exporters/kinds.ts'
import { destinationPrerequisites } from '../exporters/prerequisites.ts'
import { storedDefinition } from '../policies/load.ts'
import { policyPrerequisites } from '../policies/prerequisites.ts'
import { askAll, outside } from './checking.ts'
import { openSecrets } from './connector-config.ts'
import type { Deps } from './deps.ts'
import { daysFrom, sightOfDay } from './sight.ts'

/** Days that one round writes of a policy: more are left to the next rounds. */
const DAYS_A_ROUND = 31

/** Checks what the templates of enabled policies ask of all signals together. Answers how many policies are blind by it. */
export const checkPolicies = (deps: Deps) => async (): Promise<{ policies: number; blind: number }> => {
  const policies = await enabledPolicies(deps.db)
  let blind = 0
  for (const { id, template, definition } of policies) {
    const now = new Date()
    const { indicators } = storedDefinition(definition).settings.triggers
    const dlpPolicies = indicators.flatMap(({ dlpPolicies: chosen = [] }) => chosen)
    const asked = policyPrerequisites(template).map((each) => ({
      ...each,
      mendedBy: 'admin' as const,
      check: () => each.check({ db: deps.db, now, dlpPolicies }),
    }))
    if (asked.length === 0) continue
    const subject = { kind: 'policy' as const, id }
    const outcomes = await askAll(deps.db, subject, asked, now)
    await deps.db.transaction().execute(async (tx) => {
      await storePrerequisites(tx, subject, outcomes)
      await bookBlindness(tx, null, [id], outcomes)
    })
    if (outcomes.some(({ state }) => state === 'unmet')) blind += 1
  }
  return { policies: policies.length, blind }
}

/** Checks that destinations deliver and will go on to. Answers how many do not. */
export const checkDestinations = (deps: Deps) => async (): Promise<{ destinations: number; unmet: number }> => {
  const rows = await deps.db.selectFrom('destination').selectAll().where('state', '<>', 'retired').execute()
  let unmet = 0
  for (const row of rows) {
    const now = new Date()
    const definition = exporterKind(row.kind)
    const secrets = row.secret_id === null ? {} : await openSecrets(deps.db, deps.vault, row.secret_id)
    // Settings that no longer fit are for the check that needs them to say: they keep no other destination waiting.
    const tls = () =>
      definition.tls?.(parseSettings(definition.config, { ...(row.settings as object), ...secrets })) ?? null
    const queue = await queueOf(deps.db, row)
    const { allowPrivateAddresses } = deps
    const asked = destinationPrerequisites.map((each) => ({
      ...each,
      mendedBy: 'admin' as const,
      check: outside((signal) => each.check({ tls, allowPrivateAddresses, now, queue, signal })),
    }))
    const subject = { kind: 'destination' as const, id: row.id }
    const outcomes = await askAll(deps.db, subject, asked, now)
    await deps.db.transaction().execute((tx) => storePrerequisites(tx, subject, outcomes))
    if (outcomes.some(({ state }) => state === 'unmet')) unmet += 1
  }
  return { destinations: rows.length, unmet }
}

async function queueOf(db: Connection, { id, stop_reason }: { id: string; stop_reason: unknown }) {
  const stop = stop_reason as { code: string; detail: string } | null
  const times = await db
    .selectFrom('delivery')
    .select((eb) => [
      eb.fn.min('enqueued_at').filterWhere('state', '=', 'queued').as('oldest'),
      eb.fn.max('accepted_at').as('accepted'),
    ])
    .where('destination_id', '=', id)
    .executeTakeFirstOrThrow()
  return {
    stopCode: stop?.code ?? null,
    stopDetail: stop?.detail ?? null,
    oldestQueuedAt: times.oldest ?? null,
    lastAcceptedAt: times.accepted ?? null,
  }
}

/** Writes what each policy saw on the days that are over. Answers how many days were written. */
export const recordSight = (deps: Deps) => async (): Promise<{ days: number }> => {
  const yesterday = addDays(dayOf(new Date()), -1)
  let written = 0
  for (const policy of await enabledPolicies(deps.db)) {
    const first = await firstUnrecordedDay(deps.db, policy.id)
    for (const day of daysFrom(first, yesterday).slice(0, DAYS_A_ROUND)) {
      await keepSight(deps.db, await sightOfDay(deps.db, policy, day))
      written += 1
    }
  }
  return { days: written }
}

const enabledPolicies = (db: Connection) =>
  db
    .selectFrom('policy')
    .innerJoin('policy_version', (join) =>
      join.onRef('policy_version.policy_id', '=', 'policy.id').onRef('policy_version.version', '=', 'policy.version'),
    )
    .select(['policy.id', 'policy.template', 'policy_version.definition'])
    .where('policy.state', '=', 'enabled')
    .orderBy('policy.id')
    .execute()
