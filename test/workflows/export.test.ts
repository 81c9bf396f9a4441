import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import * as processes from '../../api/processes.ts'
import { manifestDigest } from '../../db/deliveries.ts'
import { sha256 } from '../../db/hash.ts'
import { verifyExports } from '../../db/verify.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import { TASK_QUEUES } from '../../domain/processes.ts'
import { startWebhookReceiver } from '../../sandbox/webhook-receiver.ts'
import { raiseAlert } from '../harness/alerts.ts'
import { eventually, type World, world } from '../harness/world.ts'

const QUEUES = ['exports'] as const

async function sending(w: World) {
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  const receiver = await startWebhookReceiver({ secret })
  const policyId = await w.policy('data-theft-departing-users', 'Leavers')
  const destinationId = await w.destination('standard-webhooks', 'siem', { url: receiver.url, secret })
  const row = () =>
    w.t.db.selectFrom('destination').selectAll().where('id', '=', destinationId).executeTakeFirstOrThrow()
  return {
    receiver,
    destinationId,
    row,
    raise: async (count: number) => {
      for (let number = 0; number < count; number += 1) await raiseAlert(w, policyId)
    },
    wake: () => processes.wakeExport(w.client, destinationId),
    sequence: () => receiver.messages.map(({ body }) => body.data.sequence),
    arrived: (number: number) =>
      eventually(row, { until: ({ accepted_number }) => accepted_number >= number, timeoutMs: 30_000 }),
  }
}

test('a receiver that is away is asked again after growing pauses, and gets everything once, in order', {
  timeout: 90_000,
}, async () => {
  await using w = await world({ queues: QUEUES })
  const { receiver, row, raise, wake, sequence, arrived } = await sending(w)
  await using _ = receiver
  await raise(3)
  receiver.answer({ times: 3, status: 503 })
  await wake()
  expect(await arrived(3)).toMatchObject({ accepted_number: 3, last_number: 3, state: 'active' })
  expect(sequence()).toEqual([1, 2, 3])
  expect(receiver.repeats).toBe(0)
  expect(receiver.attempts.map(({ status }) => status)).toEqual([503, 503, 503, 204, 204, 204])
  const at = receiver.attempts.slice(0, 4).map((attempt) => attempt.at.getTime())
  const pauses = at.slice(1).map((instant, index) => instant - (at[index] as number))
  for (const [index, least] of [950, 1_900, 3_800].entries()) expect(pauses[index]).toBeGreaterThan(least)
  const attempts = await w.t.db.selectFrom('delivery').select('attempts').orderBy('number').execute()
  expect(attempts.map((delivery) => delivery.attempts)).toEqual([4, 1, 1])
  expect((await row()).stop_reason).toBeNull()
})

test('a lost acknowledgement is sent again under the same id and counts once', { timeout: 90_000 }, async () => {
  await using w = await world({ queues: QUEUES })
  const { receiver, raise, wake, sequence, arrived } = await sending(w)
  await using _ = receiver
  await raise(2)
  receiver.answer({ times: 1, cut: true })
  await wake()
  await arrived(2)
  expect(sequence()).toEqual([1, 2])
  expect(receiver.messages.map(({ repeats }) => repeats)).toEqual([1, 0])
})

test('a permanent refusal stops the sequence with code and advice; resume goes on where it stopped', {
  timeout: 90_000,
}, async () => {
  await using w = await world({ queues: QUEUES })
  const { receiver, destinationId, row, raise, wake, sequence, arrived } = await sending(w)
  await using _ = receiver
  await raise(1)
  await wake()
  await arrived(1)
  receiver.answer({ times: 1, status: 410 })
  await raise(2)
  await wake()
  const stopped = await eventually(row, { until: ({ state }) => state === 'stopped' })
  expect(stopped).toMatchObject({
    state: 'stopped',
    accepted_number: 1,
    stop_reason: { code: '410', detail: 'the receiver answered 410', fix: expect.stringContaining('resume') },
  })
  const handle = w.client.workflow.getHandle(`export/${destinationId}`)
  const state = await eventually(() => handle.query<{ state: string }>('exportState'), {
    until: (found) => found.state === 'stopped',
  })
  expect(state).toEqual({ state: 'stopped', acceptedNumber: 1, stopCode: '410' })

  // What comes while it is stopped waits, also when somebody wakes the sender.
  await raise(1)
  await wake()
  const asked = receiver.attempts.length
  await handle.query('exportState')
  expect(await row()).toMatchObject({ state: 'stopped', accepted_number: 1, last_number: 4 })
  expect(receiver.attempts).toHaveLength(asked)

  const operator = await w.staff('Olga', ['operator'])
  const act = { staffId: operator, causeKey: 'mended' }
  const resumed = await processes.resumeExport(w.client, destinationId, act)
  expect(await processes.resumeExport(w.client, destinationId, act)).toEqual(resumed)
  expect(await arrived(4)).toMatchObject({ state: 'active', accepted_number: 4, stop_reason: null })
  expect(sequence()).toEqual([1, 2, 3, 4])
  const audited = await w.t.db
    .selectFrom('audit_entry')
    .select(['action', 'staff_id'])
    .where('subject_id', '=', destinationId)
    .orderBy('seq')
    .execute()
  expect(audited).toEqual([
    { action: 'destination.stopped', staff_id: null },
    { action: 'destination.resumed', staff_id: operator },
  ])
})

test('a receiver proves by two manifests that it has every number, and that one is missing', {
  timeout: 90_000,
}, async () => {
  await using w = await world({ queues: QUEUES })
  const { receiver, raise, wake, arrived } = await sending(w)
  await using _ = receiver
  const manifest = (day: string) =>
    w.client.workflow.execute('dailyManifests', {
      workflowId: `manifests-${day}`,
      taskQueue: TASK_QUEUES.exports,
      args: [{ day }],
    })
  await raise(3)
  await wake()
  await manifest('2026-03-01')
  await arrived(4)
  await manifest('2026-03-01')
  await raise(2)
  await manifest('2026-03-02')
  await arrived(7)
  expect(receiver.messages.map(({ body }) => body.data['type'])).toEqual([
    'alert',
    'alert',
    'alert',
    'manifest',
    'alert',
    'alert',
    'manifest',
  ])
  expect(await verifyExports(w.t.db)).toEqual({ checked: 7, untruth: null })

  const received = receiver.messages.map(({ body }) => body.data)
  expect(missing(received)).toEqual([])
  expect(missing(received.filter(({ sequence }) => sequence !== 2))).toEqual(['2026-03-01'])
  expect(missing(received.filter(({ sequence }) => sequence !== 6))).toEqual(['2026-03-02'])
  const changed = received.map((data) => (data.sequence === 5 ? { ...data, severity: 'low' } : data))
  expect(missing(changed)).toEqual(['2026-03-02'])
})

type Received = Record<string, unknown> & { sequence: number }

/** The days whose manifest does not fit what was received, as a receiver computes it from its own messages. */
function missing(received: readonly Received[]): string[] {
  return received
    .filter(({ type }) => type === 'manifest')
    .filter((manifest) => {
      const { first_number: first, last_number: last, count } = manifest as Record<string, any>
      const covered = received.filter(({ sequence }) => sequence >= first && sequence <= last)
      const lines = covered.map(({ sequence, payload_sha256: _, ...event }) => ({
        number: sequence,
        event_id: event['event_id'] as string,
        payload_sha256: sha256(canonicalJson(event)),
      }))
      return covered.length !== count || manifestDigest(lines) !== manifest['sha256']
    })
    .map(({ day }) => day as string)
}
