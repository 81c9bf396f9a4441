import type { AlertChange, AlertEvent, ExportEvent, ManifestEvent, Severity } from '../../domain/alert.ts'

/**
 * ArcSight Common Event Format, implementation standard version 27, version 0 of the header.
 * Limits are in characters of the value before escaping.
 */

/** Class id of manifests; alerts carry the id of their policy's template. */
export const MANIFEST_CLASS_ID = 'openirm-manifest'

const HEADER_LIMITS = { vendor: 63, product: 63, version: 31, classId: 1023, name: 512 } as const

/** Keys in the order they are written, with their limits; no other key is ever sent. */
export const KEY_LIMITS = {
  externalId: 40,
  rt: 20,
  cat: 1023,
  act: 63,
  suser: 1023,
  suid: 1023,
  dvchost: 100,
  deviceExternalId: 255,
  start: 20,
  end: 20,
  cs1Label: 1023,
  cs1: 4000,
  cs2Label: 1023,
  cs2: 4000,
  cs3Label: 1023,
  cs3: 4000,
  cs4Label: 1023,
  cs4: 4000,
  cs5Label: 1023,
  cs5: 4000,
  cs6Label: 1023,
  cs6: 4000,
  cn1Label: 1023,
  cn1: 20,
  cn2Label: 1023,
  cn2: 20,
  cn3Label: 1023,
  cn3: 20,
  flexString1Label: 128,
  flexString1: 1023,
  flexString2Label: 128,
  flexString2: 1023,
  cnt: 20,
  request: 1023,
  msg: 1023,
} as const
type Key = keyof typeof KEY_LIMITS
export type Extension = Partial<Record<Key, string | number | null>>

const SEVERITY = { low: 3, medium: 6, high: 8 } as const satisfies Record<Severity, number>
const MANIFEST_SEVERITY = 0

/** The field knows three acts; the change itself is told under its own label. */
const ACT = {
  created: 'created',
  rescored: 'updated',
  assigned: 'updated',
  confirmed: 'updated',
  escalation_requested: 'updated',
  escalation_decided: 'updated',
  escalated: 'updated',
  dismissed: 'closed',
  reopened: 'updated',
  resolved: 'closed',
} as const satisfies Record<AlertChange, 'created' | 'updated' | 'closed'>

export interface CefOrigin {
  /** Version of this product. */
  version: string
  /** Name of the sending host. */
  hostname: string
  /** Place of the event in the destination's sequence. */
  number: number
  /** SHA-256 (hex) of the whole event, as manifests count it. */
  payloadHash: string
}

/** One event as one line of CEF. Equal input gives equal text. */
export function cef(event: ExportEvent, origin: CefOrigin): string {
  const { version, hostname, number, payloadHash } = origin
  const common: Extension = {
    externalId: event.event_id,
    cat: 'InsiderRiskManagement',
    dvchost: hostname,
    cn2Label: 'deliveryNumber',
    cn2: number,
    flexString1Label: 'payloadSha256',
    flexString1: payloadHash,
  }
  return event.type === 'alert'
    ? line(version, event.policy.template, event.policy.name, SEVERITY[event.severity], {
        ...common,
        ...alertKeys(event),
      })
    : line(version, MANIFEST_CLASS_ID, 'Delivery manifest', MANIFEST_SEVERITY, { ...common, ...manifestKeys(event) })
}

function alertKeys(event: AlertEvent): Extension {
  const count = event.evidence.length + event.evidence_omitted
  return {
    rt: milliseconds(event.updated),
    act: ACT[event.change],
    suser: event.user.pseudonym,
    suid: event.user.uid,
    start: milliseconds(event.first_activity),
    end: milliseconds(event.last_activity),
    cs1Label: 'alertId',
    cs1: event.alert_id,
    cs2Label: 'policyId',
    cs2: event.policy.id,
    cs3Label: 'status',
    cs3: event.status,
    cs4Label: 'evidence',
    cs4: evidenceText(event),
    cs5Label: 'policyName',
    cs5: event.policy.name,
    cs6Label: 'change',
    cs6: event.change,
    cn1Label: 'riskScore',
    // cn1 is a whole number; the exact score, one decimal, is in msg.
    cn1: Math.round(event.score),
    cn3Label: 'revision',
    cn3: event.revision,
    flexString2Label: 'evidenceOmitted',
    flexString2: event.evidence_omitted,
    cnt: count,
    request: event.link,
    msg: `${event.change}: risk score ${event.score}, severity ${event.severity}, ${count} insights, status ${event.status}${blindText(event)}${becauseText(event)}`,
  }
}

/** Last, since it is what may be cut. */
const becauseText = ({ because }: AlertEvent): string => (because === null ? '' : `. ${because}`)

/** The sources that the policy could not see for a while, by their kinds. */
function blindText({ blind_spots }: AlertEvent): string {
  const sources = [...new Set(blind_spots.map(({ source }) => source))]
  return sources.length === 0 ? '' : `, blind for a time: ${sources.join(' ')}`
}

function manifestKeys(event: ManifestEvent): Extension {
  return {
    rt: milliseconds(event.created),
    act: 'created',
    deviceExternalId: event.destination_id,
    cs1Label: 'manifestSha256',
    cs1: event.sha256,
    cs2Label: 'auditHead',
    cs2: event.audit_head,
    cs3Label: 'manifestDay',
    cs3: event.day,
    cn1Label: event.first_number === null ? null : 'firstNumber',
    cn1: event.first_number,
    cn3Label: event.last_number === null ? null : 'lastNumber',
    cn3: event.last_number,
    cnt: event.count,
    msg: `manifest of ${event.day}: ${event.count} deliveries`,
  }
}

/** Whether the evidence of an event fits the key that carries it; a longer list has to lose entries, not characters. */
export const evidenceFits = (event: ExportEvent): boolean =>
  event.type !== 'alert' || evidenceText(event).length <= KEY_LIMITS.cs4

const evidenceText = ({ evidence }: AlertEvent): string =>
  evidence.map(({ day, title, because }) => `${day} ${title}: ${because}`).join('; ')

const KEYS = Object.entries(KEY_LIMITS) as [Key, number][]

function line(version: string, classId: string, name: string, severity: number, extension: Extension): string {
  const { vendor, product, ...limits } = HEADER_LIMITS
  const header = [
    headerField('OpenIRM', vendor),
    headerField('OpenIRM', product),
    headerField(version, limits.version),
    headerField(classId, limits.classId),
    headerField(name, limits.name),
  ]
  const pairs: string[] = []
  for (const [key, limit] of KEYS) {
    const value = extension[key]
    if (value === undefined || value === null) continue
    const text = extensionValue(String(value), limit)
    if (text !== '') pairs.push(`${key}=${text}`)
  }
  return `CEF:0|${header.join('|')}|${severity}|${pairs.join(' ')}`
}

/** A value of the header: one line, `\` and `|` escaped; `-` where nothing is left, since no field may be empty. */
export const headerField = (text: string, limit: number): string =>
  cut(cleaned(text).replace(/[\r\n]+/g, ' '), limit).replace(/[\\|]/g, '\\$&') || '-'

/** A value of the extension: `\` and `=` escaped, line ends written as two characters. Without spaces at its ends. */
export const extensionValue = (text: string, limit: number): string =>
  cut(cleaned(text), limit).replace(/[\\=]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r')

const UNFIT = /[\p{Cc}\p{Cs}\u2028\u2029]/u

/** Control characters other than line ends become spaces, halves of surrogate pairs U+FFFD: both break parsers. */
export const cleaned = (text: string): string =>
  UNFIT.test(text) ? text.replace(/\p{Cs}/gu, '\ufffd').replace(/[^\P{Cc}\r\n]|[\u2028\u2029]/gu, ' ') : text

/** At most `limit` UTF-16 units, never half a character, nothing blank at either end. */
export function cut(text: string, limit: number): string {
  const trimmed = text.trim()
  if (trimmed.length <= limit) return trimmed
  const last = trimmed.charCodeAt(limit - 1)
  const end = last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit
  return trimmed.slice(0, end).trim()
}

const milliseconds = (instant: string | null): number | null => (instant === null ? null : Date.parse(instant))
