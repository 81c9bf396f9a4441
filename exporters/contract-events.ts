import fc from 'fast-check'
import {
  ALERT_CHANGES,
  ALERT_STATES,
  type AlertEvent,
  type AlertEvidence,
  type ManifestEvent,
  SEVERITIES,
} from '../domain/alert.ts'

/** Events for the tests of exporters. */

export function anAlert(more: Partial<AlertEvent> = {}): AlertEvent {
  return {
    event_id: '01936a3e-0c1d-7c3a-9b7e-0123456789ab',
    type: 'alert',
    alert_id: '01936a3e-0000-7000-8000-00000000a1e7',
    revision: 2,
    change: 'confirmed',
    because: null,
    status: 'confirmed',
    severity: 'high',
    score: 87.4,
    policy: {
      id: '01936a3e-0000-7000-8000-0000000b0110',
      version: 3,
      name: 'Data theft by departing users',
      template: 'data-theft-departing',
    },
    user: { pseudonym: 'ANON-7Q2K', uid: '01936a3e-0000-7000-8000-00000000f00d' },
    case_id: null,
    evidence: [
      someEvidence({ indicator: 's3-download-volume', weight: 0.6 }),
      someEvidence({ indicator: 's3-new-bucket', weight: 0.3 }),
    ],
    evidence_omitted: 0,
    blind_spots: [
      {
        source: 'amazon-s3',
        code: 'credential_expired',
        from: '2026-03-01T00:00:00.000Z',
        to: '2026-03-02T00:00:00.000Z',
      },
    ],
    first_activity: '2026-03-02T09:32:15.000Z',
    last_activity: '2026-03-04T17:00:00.500Z',
    created: '2026-03-03T01:00:00.000Z',
    updated: '2026-03-05T08:15:30.250Z',
    receipt_sha256: 'a'.repeat(64),
    link: 'https://irm.example.com/alerts/01936a3e-0000-7000-8000-00000000a1e7?tab=all',
    ...more,
  }
}

export const someEvidence = (more: Partial<AlertEvidence> = {}): AlertEvidence => ({
  indicator: 's3-download-volume',
  title: 'Unusual volume of downloads',
  day: '2026-03-03',
  value: 412,
  unit: 'objects',
  tier: 'high',
  weight: 0.5,
  because: '412 objects, the own daily mean before was 37.5.',
  ...more,
})

export function aManifest(more: Partial<ManifestEvent> = {}): ManifestEvent {
  return {
    event_id: '01936a3e-0000-7000-8000-00000000da1e',
    type: 'manifest',
    destination_id: '01936a3e-0000-7000-8000-0000000d3571',
    day: '2026-03-05',
    first_number: 1,
    last_number: 41,
    count: 41,
    sha256: 'b'.repeat(64),
    audit_head: 'c'.repeat(64),
    created: '2026-03-06T00:05:00.000Z',
    ...more,
  }
}

const NASTY = [
  '|',
  '=',
  '\\',
  '"',
  ']',
  '[',
  '\n',
  '\r',
  '\r\n',
  '\t',
  '\0',
  ' ',
  ' cs1=x',
  '\\n',
  'é',
  '漢字',
  '😀',
  '\u2028',
  '\ufeff',
  '\ud800',
  '%',
  '<13>1',
  'CEF:0|',
]

/** Text that breaks careless writers: separators of every format here, control characters, non-ASCII, halves of pairs. */
export const hostileText = (maxLength = 60): fc.Arbitrary<string> =>
  fc
    .array(
      fc.oneof(fc.constantFrom(...NASTY), fc.string({ unit: 'binary', maxLength: 8 }), fc.string({ maxLength: 8 })),
      { maxLength },
    )
    .map((pieces) => pieces.join(''))

const longText = fc
  .tuple(hostileText(10), fc.integer({ min: 1, max: 800 }))
  .map(([text, times]) => text.repeat(times).slice(0, 6_000))
const text = fc.oneof({ weight: 4, arbitrary: hostileText() }, { weight: 1, arbitrary: longText })
const instant = fc
  .date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString())
const day = instant.map((each) => each.slice(0, 10))
const hash = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 })
const tenth = fc.integer({ min: 0, max: 1_000 }).map((each) => each / 10)

const evidence: fc.Arbitrary<AlertEvidence> = fc.record({
  indicator: fc.stringMatching(/^[a-z][a-z-]{0,40}$/),
  title: text,
  day,
  value: fc.double({ noNaN: true, noDefaultInfinity: true }),
  unit: hostileText(3),
  tier: fc.constantFrom(...SEVERITIES),
  weight: fc.double({ min: 0, max: 1, noNaN: true }),
  because: text,
})

/** Alerts whose texts are hostile; ids, hashes and the link have the forms that the platform gives them. */
export const hostileAlert: fc.Arbitrary<AlertEvent> = fc.record({
  event_id: fc.uuid(),
  type: fc.constant('alert'),
  alert_id: fc.uuid(),
  revision: fc.integer({ min: 1, max: 1e9 }),
  change: fc.constantFrom(...ALERT_CHANGES),
  because: fc.option(hostileText(10), { nil: null }),
  status: fc.constantFrom(...ALERT_STATES),
  severity: fc.constantFrom(...SEVERITIES),
  score: tenth,
  policy: fc.record({
    id: fc.uuid(),
    version: fc.integer({ min: 1, max: 1e6 }),
    name: text,
    template: fc.stringMatching(/^[a-z][a-z-]{0,60}$/),
  }),
  user: fc.record({ pseudonym: hostileText(10), uid: fc.uuid() }),
  case_id: fc.option(fc.uuid(), { nil: null }),
  evidence: fc.oneof(
    { weight: 3, arbitrary: fc.array(evidence, { maxLength: 5 }) },
    { weight: 1, arbitrary: fc.array(evidence, { minLength: 20, maxLength: 60 }) },
  ),
  evidence_omitted: fc.integer({ min: 0, max: 1_000 }),
  blind_spots: fc.array(
    fc.record({
      source: fc.stringMatching(/^[a-z][a-z-]{0,40}$/),
      code: fc.stringMatching(/^[a-z][a-z_]{0,40}$/),
      from: instant,
      to: fc.option(instant, { nil: null }),
    }),
    { maxLength: 20 },
  ),
  first_activity: fc.option(instant, { nil: null }),
  last_activity: fc.option(instant, { nil: null }),
  created: instant,
  updated: instant,
  receipt_sha256: hash,
  link: fc.webUrl({ withQueryParameters: true, withFragments: true }),
})

export const hostileManifest: fc.Arbitrary<ManifestEvent> = fc
  .record({
    event_id: fc.uuid(),
    type: fc.constant('manifest' as const),
    destination_id: fc.uuid(),
    day,
    first_number: fc.integer({ min: 1, max: 1e9 }),
    count: fc.integer({ min: 0, max: 1e6 }),
    sha256: hash,
    audit_head: hash,
    created: instant,
  })
  .map(({ first_number, count, ...rest }) => ({
    ...rest,
    count,
    first_number: count === 0 ? null : first_number,
    last_number: count === 0 ? null : first_number + count - 1,
  }))
