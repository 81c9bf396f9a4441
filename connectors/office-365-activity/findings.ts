import type { Severity } from '../../domain/alert.ts'
import { dlpPolicyFlags } from '../../domain/dlp-policy.ts'
import type { Finding, FindingState, Identifier } from '../../domain/signal.ts'
import { parseJson } from '../http/json.ts'
import { idText, isAddress, type Json, list, object, text } from '../values.ts'
import { snake } from '../words.ts'
import { isGuest } from './actor.ts'
import { count, isTrue, present } from './told.ts'

const DLP = new Set(['dlprulematch', 'dlpruleundo', 'dlpinfo'])
const ALERTS = 40
const SEVERITIES: (Severity | 'informational')[] = ['informational', 'low', 'medium', 'high']

export const isDlp = (operation: string): boolean => DLP.has(operation.toLowerCase())
export const isAlert = (record: Json): boolean =>
  count(record['RecordType']) === ALERTS && text(record['AlertId']) !== undefined

/** What all findings of one record share. */
interface Told {
  id: string
  operation: string
  at: Date
}

/**
 * A match of a DLP rule. Matches of the same rules on one item within one incident are versions of one finding, so that
 * what undoes a match is its newest version.
 * https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-schema#dlp-schema
 */
export function dlpFinding(record: Json, { id, operation, at }: Told): Finding {
  const [mail, file, device] = ['ExchangeMetaData', 'SharePointMetaData', 'EndpointMetaData'].map((name) =>
    object(record[name]),
  ) as [Json, Json, Json]
  const policies = list(record['PolicyDetails']).map(object)
  const rules = policies.flatMap((policy) => list(policy['Rules']).map(object))
  const severity = severestOf(rules)
  const exception = object(record['ExceptionInfo'])
  const incident = text(record['IncidentId'])
  const item =
    member(mail, 'UniqueID') ?? text(mail['MessageID']) ?? member(file, 'UniqueID') ?? text(record['ObjectId'])
  const ruleIds = rules.flatMap((rule) => text(rule['RuleId']) ?? []).sort()
  const person = personOf(record, mail, file)
  return {
    type: 'finding',
    sourceId: incident && ruleIds.length > 0 ? ['dlp', incident, item ?? '', ...ruleIds].join('|') : `dlp|${id}`,
    versionAt: at,
    at,
    ...peopleOf(person ? [person] : []),
    nativeEvent: operation,
    product: 'dlp',
    severity: severity ?? 'informational',
    category: 'dlp',
    state: stateOf(operation, exception),
    flags: [
      'dlp_record',
      `workload_${workloadOf(record)}`,
      ...(severity ? [] : ['severity_unknown']),
      ...dlpFlags(rules, file, exception),
      ...dlpPolicyFlags({
        ids: policies.flatMap((policy) => text(policy['PolicyId']) ?? []),
        names: policies.flatMap((policy) => text(policy['PolicyName']) ?? []),
      }),
    ],
    ...present({
      object: text(file['FileName']) ?? text(mail['Subject']) ?? text(device['FileName']) ?? text(record['ObjectId']),
    }),
    raw: record,
  }
}

/** Members whose first letter, or last, is written now this way, now that. */
const member = (json: Json, name: string): string | undefined => {
  const found = Object.keys(json).find((each) => each.toLowerCase() === name.toLowerCase())
  return found === undefined ? undefined : text(json[found])
}

/** Never `UserKey`, and `UserId` only where it is no service of DLP's own. */
function personOf(record: Json, mail: Json, file: Json): string | undefined {
  const named = [mail['From'], file['From'], file['DocumentLastModifier'], file['DocumentSharer'], record['UserId']]
  return named.map(text).find((name) => name !== undefined && isAddress(name))
}

const peopleOf = (addresses: readonly string[]): Pick<Finding, 'people' | 'peopleKinds'> => {
  const once = [...new Set(addresses.map((address) => address.toLowerCase()))]
  return {
    people: once.map((value): Identifier => ({ scheme: 'address', value })),
    peopleKinds: once.map((address) => (isGuest(address) ? 'guest' : 'user')),
  }
}

const workloadOf = (record: Json): string =>
  (text(record['Workload']) ?? 'unknown').toLowerCase().replaceAll(/[^a-z0-9]+/g, '_')

function severestOf(rules: readonly Json[]): Severity | 'informational' | undefined {
  const ranks = rules.map((rule) => SEVERITIES.indexOf((text(rule['Severity'])?.toLowerCase() ?? '') as Severity))
  return SEVERITIES[Math.max(-1, ...ranks)]
}

/** Somebody who goes on in spite of a rule has a reason for it; that the rule was wrong is another thing. */
function stateOf(operation: string, exception: Json): FindingState {
  if (isTrue(exception['FalsePositive'])) return 'false_positive'
  return operation.toLowerCase() === 'dlpruleundo' ? 'resolved' : 'open'
}

function dlpFlags(rules: readonly Json[], file: Json, exception: Json): string[] {
  const actions = rules.flatMap((rule) => list(rule['Actions'])).map((action) => text(action)?.toLowerCase())
  const modes = rules.flatMap((rule) => text(rule['RuleMode']) ?? []).map(snake)
  const conditions = rules.map((rule) => object(rule['ConditionsMatched']))
  const scopes = conditions.flatMap((matched) => list(matched['OtherConditions']).map(object))
  const sensitive = conditions.some((matched) => list(matched['SensitiveInformation']).length > 0)
  const outside =
    scopes.some(({ Name, Value }) => Name === 'AccessScope' && Value === 'NotInOrganization') ||
    isTrue(file['IsViewableByExternalUsers'])
  const reason = text(exception['Reason'])
  return [
    ...(actions.some((action) => action?.startsWith('block')) ? ['blocked'] : []),
    ...(modes.length > 0 && !modes.includes('enable') ? ['rule_in_test'] : []),
    ...(outside ? ['outside'] : []),
    ...(sensitive ? ['sensitive_info'] : []),
    ...(reason ? [`exception_${snake(reason)}`] : []),
  ]
}

/**
 * An alert of the Purview or Defender portal, of which every change is a record of its own. Who it is about stands in the
 * entity or the data of each record: records of one alert that name different people are different findings.
 */
export function alertFinding(record: Json, { id, operation, at }: Told): Finding {
  const category = text(record['Category']) ?? 'unknown'
  const data = object(typeof record['Data'] === 'string' ? parseJson(record['Data']) : record['Data'])
  const named = [record['AlertEntityId'], data['f3u'], data['eid']].map(text)
  const people = peopleOf(named.filter((name): name is string => name !== undefined && isAddress(name)))
  const severity = SEVERITIES.find((each) => each === text(record['Severity'])?.toLowerCase())
  const status = text(record['Status'])?.toLowerCase()
  const isOfDlp = category === 'DataLossPrevention'
  return {
    type: 'finding',
    sourceId: ['alert', idText(record['AlertId']) ?? id, ...people.people.map(({ value }) => value).sort()].join('|'),
    versionAt: at,
    at,
    ...people,
    nativeEvent: `${operation}/${category}`,
    product: isOfDlp ? 'dlp' : snake(category === 'InsiderRiskManagement' ? 'insider_risk' : 'office365_alerts'),
    severity: severity ?? 'informational',
    category: isOfDlp ? 'dlp' : snake(category),
    state: status === 'resolved' || status === 'dismissed' ? 'resolved' : 'open',
    flags: [
      'portal_alert',
      ...(severity ? [] : ['severity_unknown']),
      ...(status === 'dismissed' ? ['dismissed'] : []),
    ],
    ...present({ object: text(record['Name']) }),
    raw: record,
  }
}
