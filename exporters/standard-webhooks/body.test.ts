import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { manifestDigest } from '../../db/deliveries.ts'
import { sha256 } from '../../db/hash.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import { aManifest, anAlert, hostileAlert, hostileManifest, someEvidence } from '../contract-events.ts'
import { MAX_BODY_BYTES, webhookBody } from './body.ts'

/** What the stored event looks like after its way through JSON: halves of surrogate pairs stay, -0 does not. */
const stored = <T>(event: T): T => JSON.parse(JSON.stringify(event)) as T

describe('the body of a message', () => {
  test('names type, time and data', () => {
    expect(JSON.parse(webhookBody(7, anAlert()))).toEqual({
      type: 'insider_risk.alert.confirmed',
      timestamp: '2026-03-05T08:15:30.250Z',
      data: { ...anAlert(), sequence: 7, payload_sha256: sha256(canonicalJson(anAlert())) },
    })
    expect(JSON.parse(webhookBody(8, aManifest()))).toEqual({
      type: 'insider_risk.manifest',
      timestamp: '2026-03-06T00:05:00.000Z',
      data: { ...aManifest(), sequence: 8, payload_sha256: sha256(canonicalJson(aManifest())) },
    })
  })

  test('gives back every event that fits, and its hash is over what came', () => {
    fc.assert(
      fc.property(fc.oneof(hostileAlert, hostileManifest), (event) => {
        const { sequence, payload_sha256, ...received } = JSON.parse(webhookBody(3, event)).data
        expect(sequence).toBe(3)
        expect(payload_sha256).toBe(sha256(canonicalJson(event)))
        if (event.type === 'alert' && received.evidence_omitted !== event.evidence_omitted) return
        if (event.type === 'alert' && received.policy.name !== event.policy.name) return
        expect(received).toEqual(stored(event))
        expect(sha256(canonicalJson(received))).toBe(payload_sha256)
      }),
    )
  })

  test('shortened, it keeps the order of the weightiest evidence, everything else, and counts what is gone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 60, max: 400 }), fc.integer({ min: 0, max: 9 }), (length, evidence_omitted) => {
        const evidence = Array.from({ length }, (_, index) =>
          someEvidence({
            title: `insight ${index}`,
            because: 'é'.repeat(120),
            weight: ((index * 7_919) % 1_000) / 1_000,
          }),
        )
        const event = anAlert({ evidence, evidence_omitted })
        const text = webhookBody(1, event)
        const { sequence: _, payload_sha256: __, ...received } = JSON.parse(text).data
        const kept = received.evidence.length
        const strongest = new Set(
          evidence
            .map((each, index) => ({ each, index }))
            .sort((a, b) => b.each.weight - a.each.weight || a.index - b.index)
            .slice(0, kept)
            .map(({ index }) => index),
        )
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_BODY_BYTES)
        expect(received).toEqual({
          ...event,
          evidence: evidence.filter((_each, index) => strongest.has(index)),
          evidence_omitted: evidence_omitted + length - kept,
        })
        // No more was left out than had to be: one entry is about 450 bytes.
        if (kept < length) expect(Buffer.byteLength(text)).toBeGreaterThan(MAX_BODY_BYTES - 500)
      }),
      { numRuns: 30 },
    )
  })

  test('an event that is long without evidence loses the end of the name, never an id', () => {
    const event = anAlert({ policy: { ...anAlert().policy, name: '漢'.repeat(9_000) } })
    const { data } = JSON.parse(webhookBody(1, event))
    expect(data.policy.name).toBe(`${'漢'.repeat(200)}…`)
    expect(data).toMatchObject({
      event_id: event.event_id,
      alert_id: event.alert_id,
      evidence: [],
      evidence_omitted: 2,
    })
  })

  test('lets a receiver recompute a manifest, also of events that had to be shortened', () => {
    const evidence = Array.from({ length: 300 }, () => someEvidence())
    const events = [anAlert(), anAlert({ event_id: '01936a3e-0000-7000-8000-000000000002', evidence }), aManifest()]
    const sent = manifestDigest(
      events.map((event, index) => ({
        number: index + 1,
        event_id: event.event_id,
        payload_sha256: sha256(canonicalJson(event)),
      })),
    )
    const kept = events.map((event, index) => JSON.parse(webhookBody(index + 1, event)).data)
    expect(kept[1].evidence_omitted).toBeGreaterThan(0)
    const lines = kept.map(({ sequence, event_id, payload_sha256 }) => `${sequence} ${event_id} ${payload_sha256}\n`)
    expect(sha256(lines.join(''))).toBe(sent)
    expect(sha256(lines.slice(1).join(''))).not.toBe(sent)
  })
})
