import { type Json, list, object, text } from '../values.ts'

/** Of the two forms only this one has it. */
export const isOfDefender = (alert: Json): boolean => alert['alertCreationTime'] !== undefined

/** `FalsePositive` → `falsePositive`. */
function enumOf(value: unknown): string | null {
  const name = text(value)
  if (name === undefined) return null
  return name === 'UnSpecified' ? 'unknown' : name.charAt(0).toLowerCase() + name.slice(1)
}

/**
 * An alert of the older API in the form of Graph's, as far as alerts are read: the same alert has the same id in both.
 * https://learn.microsoft.com/defender-endpoint/api/alerts
 */
export function asGraphAlert(alert: Json): Json {
  const pieces = list(alert['evidence']).map(object).flatMap(evidenceOf)
  return {
    id: alert['id'],
    status: enumOf(alert['status']),
    severity: enumOf(alert['severity']),
    classification: enumOf(alert['classification']),
    determination: enumOf(alert['determination']),
    serviceSource: 'microsoftDefenderForEndpoint',
    detectionSource: alert['detectionSource'],
    title: alert['title'],
    category: alert['category'],
    createdDateTime: alert['alertCreationTime'],
    lastUpdateDateTime: alert['lastUpdateTime'],
    evidence: [...deviceOf(alert), ...pieces, ...(pieces.some(isOfSomebody) ? [] : relatedUserOf(alert))],
  }
}

const piece = (type: string, members: Json): Json => ({
  '@odata.type': `#microsoft.graph.security.${type}`,
  ...members,
})

const isOfSomebody = (evidence: Json): boolean => evidence['userAccount'] !== undefined

/** Evidence that names somebody, or the file; anything else says nothing that is read. */
function evidenceOf(evidence: Json): Json[] {
  const userAccount = accountOf(evidence)
  const type = text(evidence['entityType'])
  if (type === 'User') return [piece('userEvidence', { userAccount })]
  if (type === 'Process') return text(evidence['accountName']) ? [piece('processEvidence', { userAccount })] : []
  if (type !== 'File') return []
  return [piece('fileEvidence', { fileDetails: { fileName: evidence['fileName'], filePath: evidence['filePath'] } })]
}

const accountOf = (evidence: Json): Json => ({
  accountName: evidence['accountName'],
  domainName: evidence['domainName'],
  userSid: evidence['userSid'],
  azureAdUserId: evidence['aadUserId'],
  userPrincipalName: evidence['userPrincipalName'],
})

/** Its name is the domain of its local accounts. */
const deviceOf = ({ computerDnsName }: Json): Json[] =>
  text(computerDnsName) ? [piece('deviceEvidence', { deviceDnsName: computerDnsName })] : []

/** Counts only where no evidence names anybody: it is the same person told with less. */
function relatedUserOf(alert: Json): Json[] {
  const { userName, domainName } = object(alert['relatedUser'])
  return text(userName) ? [piece('userEvidence', { userAccount: { accountName: userName, domainName } })] : []
}
