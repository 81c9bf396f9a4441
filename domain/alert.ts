/** Words of alerts and of what the outside is told about them. */

export const SEVERITIES = ['low', 'medium', 'high'] as const
export type Severity = (typeof SEVERITIES)[number]

export const ALERT_STATES = ['needs_review', 'confirmed', 'dismissed', 'resolved'] as const
export type AlertState = (typeof ALERT_STATES)[number]

/** States in which new insights join the alert and people still have something to decide. */
export const OPEN_ALERT_STATES = ['needs_review', 'confirmed'] as const satisfies readonly AlertState[]

export const DISMISS_REASONS = ['expected_activity', 'not_impactful', 'too_much_activity', 'false_positive'] as const
export type DismissReason = (typeof DISMISS_REASONS)[number]

export const CASE_RESOLUTIONS = ['benign', 'confirmed_violation'] as const
export type CaseResolution = (typeof CASE_RESOLUTIONS)[number]

/** What happened to an alert; every one of them makes a version, and every version is delivered. */
export const ALERT_CHANGES = [
  'created',
  'rescored',
  'assigned',
  'confirmed',
  'escalation_requested',
  'escalation_decided',
  'escalated',
  'dismissed',
  'reopened',
  'resolved',
] as const
export type AlertChange = (typeof ALERT_CHANGES)[number]

/**
 * One version of one alert as destinations receive it. Pseudonyms and opaque ids only.
 * Field names follow the wire (snake_case), since receivers see this very object.
 */
export interface AlertEvent {
  /** UUID, one per alert version and destination-independent: the receiver's dedupe key. */
  event_id: string
  type: 'alert'
  alert_id: string
  /** 1, 2, 3 … without gaps per alert. */
  revision: number
  change: AlertChange
  /** Why the platform itself made this version, in words that name nobody; null where somebody acted. */
  because: string | null
  status: AlertState
  severity: Severity
  /** 0..100, one decimal. */
  score: number
  policy: { id: string; version: number; name: string; template: string }
  user: { pseudonym: string; uid: string }
  case_id: string | null
  evidence: readonly AlertEvidence[]
  /** Contributions beyond the ones listed, when the event had to be shortened. */
  evidence_omitted: number
  /** What the policy could not see in the days that the alert looks at. */
  blind_spots: readonly AlertBlindSpot[]
  first_activity: string | null
  last_activity: string | null
  created: string
  updated: string
  receipt_sha256: string
  link: string
}

export interface AlertBlindSpot {
  /** Kind of the connector, or `policy` for a condition of the policy itself. */
  source: string
  /** Why, e.g. `credential_expired`. */
  code: string
  from: string
  /** Null while it goes on. */
  to: string | null
}

export interface AlertEvidence {
  indicator: string
  title: string
  day: string
  /** What the indicator measured, in its unit. */
  value: number
  unit: string
  tier: Severity
  /** Share of certainty this insight adds, 0..1, after boosters. */
  weight: number
  because: string
}

/** The daily statement that lets a receiver prove that it has everything. It rides in the same numbered sequence. */
export interface ManifestEvent {
  event_id: string
  type: 'manifest'
  destination_id: string
  /** UTC day that the manifest covers. */
  day: string
  /** Numbers of the deliveries enqueued that day; null when there were none. */
  first_number: number | null
  last_number: number | null
  count: number
  /** SHA-256 (hex) over `<number> <event_id> <payload sha256>\n` of those deliveries in order. */
  sha256: string
  /** Head of the audit chain when the manifest was made: anchors the chain outside. */
  audit_head: string
  created: string
}

export type ExportEvent = AlertEvent | ManifestEvent
