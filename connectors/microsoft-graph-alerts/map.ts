import type { Severity } from '../../domain/alert.ts'
import { dlpPolicyFlags } from '../../domain/dlp-policy.ts'
import type { Finding, FindingState, Mapped, Rejected } from '../../domain/signal.ts'
import { instantOf } from '../instants.ts'
import { isObject, type Json, list, object, text } from '../values.ts'
import { snake } from '../words.ts'
import { peopleOf } from './accounts.ts'
import { asGraphAlert, isOfDefender } from './defender-alert.ts'

/** Products by `serviceSource`, and by `detectionSource` where that says nothing. What is not listed keeps its own name. */
const PRODUCTS: Record<string, string> = {
  microsoftDefenderForEndpoint: 'defender_endpoint',
  microsoftDefenderForIdentity: 'defender_identity',
  microsoftDefenderForCloudApps: 'defender_cloud_apps',
  microsoftDefenderForOffice365: 'defender_office365',
  microsoftDefenderForCloud: 'defender_cloud',
  microsoft365Defender: 'defender_xdr',
  azureAdIdentityProtection: 'entra_id_protection',
  microsoftAppGovernance: 'app_governance',
  dataLossPrevention: 'dlp',
  microsoftDataLossPrevention: 'dlp',
  microsoftSentinel: 'sentinel',
  microsoftInsiderRiskManagement: 'insider_risk',
}
const SAYS_NOTHING = new Set(['unknown', 'unknownFutureValue'])

/** One alert, as it is now, to one version of a finding. Never throws: what does not fit is rejected with its path. */
export function map(record: unknown): Mapped {
  if (!isObject(record)) return reject('field_invalid', '', 'an alert')
  return isOfDefender(record) ? findingOf(asGraphAlert(record), record) : findingOf(record, record)
}

/** `raw` is what the source sent, in whichever form. */
function findingOf(record: Json, raw: Json): Mapped {
  const id = text(record['id'])
  if (!id) return reject('event_id_missing', 'id')
  const versionAt = instantOf(record['lastUpdateDateTime'])
  if (!versionAt) return reject('date_invalid', 'lastUpdateDateTime', 'ISO 8601 with a zone')
  // Not `firstActivityDateTime`: it moves when more activities are added to an alert.
  const at = instantOf(record['createdDateTime'])
  if (!at) return reject('date_invalid', 'createdDateTime', 'ISO 8601 with a zone')

  const product = productOf(record)
  const category = text(record['category']) ?? 'unknown'
  const evidence = list(record['evidence'])
  const people = peopleOf(evidence)
  const object_ = objectOf(record, evidence)
  return {
    type: 'finding',
    sourceId: id,
    versionAt,
    at,
    people: people.map(({ person }) => person),
    peopleKinds: people.map(({ kind }) => kind),
    // Not the title: those of DLP and of custom detections quote files, subjects and people.
    nativeEvent: `${sourceOf(record) ?? 'unknown'}/${category}`,
    product,
    severity: severityOf(record),
    category: product === 'dlp' ? 'dlp' : snake(category),
    state: stateOf(record),
    flags: flagsOf(record, product, category),
    ...(object_ ? { object: object_ } : {}),
    raw,
  } satisfies Finding
}

const reject = (code: Rejected['code'], cell: string, expected?: string): Rejected => ({
  type: 'rejected',
  code,
  cell,
  ...(expected ? { expected } : {}),
})

const telling = (value: unknown): string | undefined => {
  const name = text(value)
  return name === undefined || SAYS_NOTHING.has(name) ? undefined : name
}

const sourceOf = (alert: Json): string | undefined =>
  telling(alert['serviceSource']) ?? telling(alert['detectionSource'])

function productOf(alert: Json): string {
  // Which of the two names DLP differs from tenant to tenant.
  if ([alert['serviceSource'], alert['detectionSource']].some((name) => name === 'microsoftDataLossPrevention')) {
    return 'dlp'
  }
  const source = sourceOf(alert)
  return source === undefined ? 'unknown' : (PRODUCTS[source] ?? snake(source))
}

function severityOf({ severity }: Json): 'informational' | Severity {
  return severity === 'low' || severity === 'medium' || severity === 'high' ? severity : 'informational'
}

function stateOf({ classification, status }: Json): FindingState {
  if (classification === 'falsePositive') return 'false_positive'
  return status === 'resolved' ? 'resolved' : 'open'
}

/** What the vendor's own words say beyond the fields of a finding. */
function flagsOf(alert: Json, product: string, category: string): string[] {
  const { severity, classification, determination } = alert
  const known = severity === 'informational' || severityOf(alert) !== 'informational'
  return [
    ...(known ? [] : [`severity_${snake(text(severity) ?? 'unknown')}`]),
    ...(product === 'dlp' ? [`category_${snake(category)}`, ...dlpPolicyFlags({ names: policyNamesOf(alert) })] : []),
    ...(telling(classification) ? [`classification_${snake(classification as string)}`] : []),
    ...(telling(determination) ? [`determination_${snake(determination as string)}`] : []),
  ]
}

/** The API gives the policy's name alone, and that within the title, which goes on with what it is about. */
const policyNamesOf = ({ title }: Json): string[] => {
  const [, name] = /^DLP policy \((.+?)\) matched for /i.exec(text(title) ?? '') ?? []
  return name === undefined ? [] : [name]
}

/** The file that it is about, else the title. */
function objectOf(alert: Json, evidence: readonly unknown[]): string | undefined {
  const files = evidence.map((piece) => text(object(object(piece)['fileDetails'])['fileName']))
  return files.find((name) => name !== undefined) ?? text(alert['title'])
}
