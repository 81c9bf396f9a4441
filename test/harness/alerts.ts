import { randomBytes } from 'node:crypto'
import { v7 as uuid } from 'uuid'
import { changeAlert } from '../../db/alerts.ts'
import { sha256 } from '../../db/hash.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import { pseudonymFrom } from '../../domain/pseudonym.ts'
import type { PolicyDefinition } from '../../policies/template.ts'
import type { World } from './world.ts'

type Settings = PolicyDefinition['settings']

/** Gives a policy its next version with other settings. */
export async function setPolicy(w: World, policyId: string, change: Partial<Settings>): Promise<void> {
  const row = await w.t.db
    .selectFrom('policy_version')
    .select(['version', 'definition'])
    .where('policy_id', '=', policyId)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  const before = row.definition as unknown as PolicyDefinition
  const definition = canonicalJson({ ...before, settings: { ...before.settings, ...change } })
  const version = row.version + 1
  await w.t.db
    .insertInto('policy_version')
    .values({ policy_id: policyId, version, definition, sha256: sha256(definition), note: 'test' })
    .execute()
  await w.t.db.updateTable('policy').set({ version }).where('id', '=', policyId).execute()
}

/** An open alert about somebody new, as an evaluation leaves it but without evidence; its triage is not started. */
export async function raiseAlert(w: World, policyId: string, severity: 'low' | 'medium' | 'high' = 'high') {
  const [alertId, receiptId] = [uuid(), uuid()]
  const { version } = await w.t.db
    .selectFrom('policy')
    .select('version')
    .where('id', '=', policyId)
    .executeTakeFirstOrThrow()
  await w.t.db.transaction().execute(async (tx) => {
    const person = await tx
      .insertInto('person')
      .values({ uid: uuid(), pseudonym: pseudonymFrom(randomBytes(5)) })
      .returning('id')
      .executeTakeFirstOrThrow()
    const now = new Date()
    const today = now.toISOString().slice(0, 10)
    await tx
      .insertInto('alert')
      .values({
        id: alertId,
        policy_id: policyId,
        person_id: person.id,
        state: 'needs_review',
        severity,
        score: 80,
        version: 1,
        opened_at: now,
        updated_at: now,
      })
      .execute()
    await tx
      .insertInto('receipt')
      .values({
        id: receiptId,
        alert_id: alertId,
        policy_id: policyId,
        policy_version: version,
        engine_version: 'test',
        as_of: now,
        trigger: JSON.stringify({ kind: 'resignation', factId: '', day: today, fromDay: today, toDay: today }),
        score: 80,
        severity,
        sha256: sha256(receiptId),
      })
      .execute()
    await changeAlert(tx, {
      alertId,
      change: 'created',
      staffId: null,
      causeKey: `receipt/${receiptId}`,
      set: { receiptId },
      publicUrl: w.deps.publicUrl,
    })
  })
  return alertId
}
