import type { Severity } from './alert.ts'

/**
 * Signals: what a connector yields. Values marked *personal* leave the mapping function only into the sealed table or
 * through the keyed hash; no other table, log or workflow payload may hold them.
 */

/**
 * How a source names an account. `address` covers UPNs and e-mail addresses, which sources use for one another;
 * `vendor_id` is a cloud's own id of an account, prefixed by the cloud (`dropbox:dbmid:…`, `entra:<object id>`).
 */
export const IDENTIFIER_SCHEMES = ['address', 'employee_number', 'user_name', 'aws_principal', 'vendor_id'] as const
export type IdentifierScheme = (typeof IDENTIFIER_SCHEMES)[number]

/** One account as one source names it. `value` is *personal*. */
export interface Identifier {
  scheme: IdentifierScheme
  value: string
}

export const VERBS = [
  'view',
  'preview',
  'list',
  'search',
  'download',
  'sync_download',
  'upload',
  'create',
  'edit',
  'copy',
  'move',
  'rename',
  'delete',
  'purge',
  'restore',
  'print',
  'share_add',
  'share_remove',
  'share_change',
  'link_create',
  'link_remove',
  'link_access',
  'owner_change',
  'label_apply',
  'label_change',
  'label_remove',
  'export_report',
  'query_data',
  'send',
  'receive',
  'forward_rule',
  'mailbox_access',
  'copy_to_removable',
  'copy_to_network_share',
  'upload_to_cloud',
  'copy_to_clipboard',
  'login',
  'login_failed',
  'logout',
  'app_authorize',
  'device_link',
  'permission_policy_change',
  'logging_change',
  'secret_read',
  'snapshot_share',
  'physical_access',
  'detection',
  'finding',
  'other',
] as const
export type Verb = (typeof VERBS)[number]

export const OUTCOMES = ['success', 'failure', 'blocked', 'warned_overridden', 'unknown'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** Who can reach the object afterwards, narrowest first. */
export const AUDIENCES = [
  'private',
  'specific_internal',
  'domain',
  'specific_external',
  'anyone_with_link',
  'public',
] as const
export type Audience = (typeof AUDIENCES)[number]

export const ACTOR_KINDS = ['user', 'guest', 'external', 'anonymous', 'service', 'unknown'] as const
export type ActorKind = (typeof ACTOR_KINDS)[number]

/** Who did what to which object, when. */
export interface Activity {
  type: 'activity'
  /** The source's own id of the event, stable over every delivery of it; its keyed hash is the dedupe key. */
  sourceId: string
  /** `sourceId` of an earlier record that this one corrects. */
  supersedes?: string
  actor: Identifier
  actorKind: ActorKind
  at: Date
  verb: Verb
  /** The source's own name of the event, verbatim; unknown ones are kept with the verb `other`. */
  nativeEvent: string
  outcome: Outcome
  /** Bucket, shared drive, site. *Personal* (may hold a name). */
  container?: string
  /** Path or name of the object. *Personal*. */
  object?: string
  /** Bytes moved; absent = not reported, never 0 for unknown. */
  sizeBytes?: number
  /** Objects touched, where the source counts them; absent = 1. */
  itemCount?: number
  /** A valid IP literal. */
  originIp?: string
  userAgent?: string
  audienceAfter?: Audience
  /** True when the receiving side is outside the organisation. */
  destinationIsExternal?: boolean
  /** Any flag an indicator may ask for, e.g. `presigned`, `secondary`; lower_snake_case. */
  flags?: readonly string[]
  /** What the source itself measured (a count, a score), where its figure is the signal. Finite. */
  amount?: number
  /** Whose record was touched, where the source names somebody: the patient of a health record. */
  subject?: Subject
  /** What the source says of its own alert; set on the activities of a finding. */
  finding?: FindingView
  /** The versions of one thing share `of`; the newest `at` counts, in whatever order they arrive. */
  version?: { of: string; at: Date }
  /** True when the record's date had no zone and the connector's assumed zone was used. */
  zoneAssumed?: boolean
  /** What the source sent, kept sealed so that no field is lost. *Personal*. */
  raw?: unknown
}

/**
 * Somebody whose record was touched. Every value is *personal* and stored only as a keyed hash of its normalised form,
 * by which it is compared with the profiles of the people inside.
 */
export interface Subject {
  /** The source's own id: a patient's registration number. */
  id?: string
  firstName?: string
  lastName?: string
  /** Street and number as written. */
  addressLine?: string
  postalCode?: string
  /** Where the person is treated or belongs to. */
  department?: string
}

export const FINDING_STATES = ['open', 'resolved', 'false_positive'] as const
export type FindingState = (typeof FINDING_STATES)[number]

export interface FindingView {
  severity: 'informational' | Severity
  /** The source's own category, lower case: `dlp`, `defense_evasion`, `unwanted_software` … */
  category: string
  state: FindingState
}

/** Another product's alert, as of one of its versions. It changes over time: the newest version counts. */
export interface Finding extends FindingView {
  type: 'finding'
  /** The source's own id of the alert, the same in every version. */
  sourceId: string
  /** When this version was written. */
  versionAt: Date
  /** When it happened: stays the same over the versions. */
  at: Date
  /** The accounts that the alert's evidence names; without any it is kept under `unattributed`. */
  people: readonly Identifier[]
  /** Kind of each account, in the order of `people`; `user` where absent. */
  peopleKinds?: readonly ActorKind[]
  /** The source's name of the detection, verbatim. */
  nativeEvent: string
  /** Which product raised it: `defender_endpoint`, `dlp` … kept as a flag. */
  product: string
  flags?: readonly string[]
  /** *Personal*. */
  object?: string
  raw?: unknown
}

/** Findings that name nobody are kept under this account, which never raises anybody's score. */
export const UNATTRIBUTED: Identifier = { scheme: 'vendor_id', value: 'openirm:unattributed' }

/** A finding as the activities by which it is counted: one per account that it names. */
export function activitiesOf(finding: Finding): Activity[] {
  const people = finding.people.length > 0 ? finding.people : [UNATTRIBUTED]
  const { severity, category, state, sourceId, versionAt } = finding
  return people.map((actor, index) => ({
    type: 'activity',
    sourceId: `${sourceId}\u001f${versionAt.toISOString()}\u001f${actor.scheme}\u001f${actor.value}`,
    actor,
    actorKind: finding.people.length > 0 ? (finding.peopleKinds?.[index] ?? 'user') : 'anonymous',
    at: finding.at,
    verb: 'finding',
    nativeEvent: finding.nativeEvent,
    outcome: 'unknown',
    flags: [finding.product, ...(finding.flags ?? [])],
    finding: { severity, category, state },
    version: { of: sourceId, at: versionAt },
    ...(finding.object === undefined ? {} : { object: finding.object }),
    ...(finding.raw === undefined || index > 0 ? {} : { raw: finding.raw }),
  }))
}

/** Tells the rows of a detection's variant; the configured id, never a cell. */
export const variantFlag = (variantId: string): string => `variant_${variantId.replaceAll('-', '_')}`

export const FACT_KINDS = [
  'resignation',
  'job_level_change',
  'performance_review',
  'improvement_plan',
  'employee_profile',
  /** The account was deleted in the directory. */
  'account_deleted',
  /** Member of a group (`attributes.group`) that a policy may be bounded to. */
  'group_member',
] as const
export type FactKind = (typeof FACT_KINDS)[number]

/** Something true of a person from a day on. */
export interface Fact {
  type: 'fact'
  kind: FactKind
  person: Identifier
  /** Further accounts of the same person, named by the same row. */
  aliases?: readonly Identifier[]
  /** Distinguishes facts of one kind of one person: a second row with the same key corrects the first. */
  naturalKey: string
  effectiveAt: Date
  /** Resignation only: last day of work. */
  lastWorkingAt?: Date
  /** True when the row takes the fact back. */
  withdrawn?: boolean
  /** True for what happened, not what is so: under one key the newest `effectiveAt` counts, in whatever order rows arrive. */
  newestCounts?: boolean
  /** Of a withdrawn one: takes back what this source itself told, and says nothing where it told nothing. */
  takesBack?: boolean
  /** Who acts by the account, where the source knows; an admin's word stays. */
  personKind?: 'guest'
  /** True when a date in the row had no zone and the connector's assumed zone was used. */
  zoneAssumed?: boolean
  /** What may be stored in clear: levels, ratings. Never a name or remark. */
  attributes: Readonly<Record<string, string>>
  /** Names, addresses, remarks: stored sealed. *Personal*. */
  personal?: Readonly<Record<string, string>>
}

/** Why a row was not stored as a signal though nothing is wrong with it. */
export interface Ignored {
  type: 'ignored'
  why: string
}

/** A row that cannot become a signal until somebody mends the mapping or the source. */
export interface Rejected {
  type: 'rejected'
  code: RejectionCode
  /** Column or JSON path of the cell. */
  cell?: string
  /** What was expected, without the value found. */
  expected?: string
}

/** Reason codes of quarantined rows: code → what it says and how to mend it. */
export const REJECTION_CODES = {
  column_count:
    'The row has another number of cells than the header. Mend the file, or quote cells that hold the separator.',
  content_gone:
    'The source had it once and no longer keeps it. Nothing is left to read; what else was delivered is complete.',
  date_invalid: 'The cell is not a date in the expected form. Correct the date format in the mapping, or the cell.',
  encoding_invalid: 'The row holds bytes that are not valid in the file encoding. Save the file as UTF-8.',
  event_id_missing: 'The record has no id of its own, so a repetition could not be recognised.',
  field_invalid: 'The field has another type or form than the source documents.',
  identifier_invalid: 'The cell does not name an account in the expected form, for example name@example.com.',
  json_invalid: 'The line is not one JSON object with every field once. Mend the export of the source.',
  number_invalid: 'The cell is not a number as the column should hold. Correct the cell, or the column in the mapping.',
  object_damaged: 'The object cannot be read: truncated, not gzip, or not JSON. Restore the object, then re-drive.',
  quote_unbalanced: 'A quote is opened and not closed. Double quotes inside quoted cells.',
  required_cell_empty: 'A required cell is empty.',
  row_too_long: 'The row is longer than the limit.',
  scenario_unknown: 'The identifier column names a scenario that the mapping does not know. Add it to the mapping.',
  value_too_long: 'The cell is longer than the documented limit.',
  value_unknown: 'The cell holds a value that the mapping does not know. Add it to the value table.',
} as const
export type RejectionCode = keyof typeof REJECTION_CODES

export type Mapped = Activity | Fact | Finding | Ignored | Rejected
