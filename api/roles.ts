import type { Role } from '../db/staff.ts'
import type { OperationId } from '../openapi/generated/operations.ts'

/**
 * Who may do what: the one table of operations × roles. `public` needs no token, `everybody` any valid one.
 *
 * What one may not know exists answers like what does not exist: a call of an operation on one thing (its path names
 * an id) answers the same 404 whether the caller's roles do not reach the noun or the id is unknown. A list names
 * nothing, so there a caller without the role gets 403 `forbidden`.
 *
 * No role both asks and approves; the database refuses a member of staff who would hold two such roles.
 */
export const MAY = {
  getHealth: 'public',
  getReadiness: 'public',
  getMetrics: ['admin', 'operator'],
  getMe: 'everybody',

  listConnectorKinds: ['admin', 'operator'],
  getConnectorKind: ['admin', 'operator'],
  listConnectors: ['admin', 'operator'],
  getConnector: ['admin', 'operator'],
  updateConnector: ['admin'],
  pauseConnector: ['admin'],
  resumeConnector: ['admin'],
  retireConnector: ['admin'],

  getMicrosoftUpload: ['admin', 'operator'],
  enableMicrosoftUpload: ['admin'],
  disableMicrosoftUpload: ['admin'],
  createUploadSecret: ['admin'],
  revokeUploadSecret: ['admin'],

  listSetups: ['admin'],
  createSetup: ['admin'],
  getSetup: ['admin'],
  saveSetupSettings: ['admin'],
  saveSetupSample: ['admin'],
  performSetupStep: ['admin'],
  abandonSetup: ['admin'],

  listPrerequisites: ['admin', 'operator'],
  checkPrerequisites: ['admin', 'operator'],
  listPolicyPrerequisites: ['admin', 'analyst', 'investigator', 'operator', 'auditor'],
  checkPolicyPrerequisites: ['admin', 'operator'],
  listDestinationPrerequisites: ['admin', 'operator'],
  checkDestinationPrerequisites: ['admin', 'operator'],
  attestPrerequisite: ['admin'],
  withdrawAttestation: ['admin'],

  listImports: ['admin', 'operator'],
  getImport: ['admin', 'operator'],
  createImport: ['admin', 'operator'],
  uploadFile: ['admin', 'operator'],
  cancelImport: ['admin', 'operator'],

  // Line, cell and code alone: whoever sends a file learns what was wrong with it. Its words are the admin's.
  createBackfill: ['admin'],
  listBackfills: ['admin', 'operator'],
  getBackfill: ['admin', 'operator'],
  listBackfillPieces: ['admin', 'operator'],
  pauseBackfill: ['admin', 'operator'],
  resumeBackfill: ['admin', 'operator'],
  cancelBackfill: ['admin', 'operator'],

  listQuarantinedRows: ['admin', 'operator'],
  getQuarantinedRow: ['admin'],
  listQuarantineGroups: ['admin'],
  previewQuarantinedRows: ['admin'],
  downloadQuarantinedRows: ['admin'],
  redriveQuarantinedRows: ['admin'],
  expireQuarantinedRows: ['admin'],

  listPeople: ['investigator'],
  getPerson: ['investigator'],

  getIdentityRules: ['admin', 'investigator', 'auditor'],
  previewIdentityRules: ['admin'],
  setIdentityRules: ['admin'],
  // Pseudonyms alone: what an account is called is never shown.
  listIdentities: ['admin', 'investigator'],
  markIdentity: ['admin'],
  splitIdentities: ['admin'],
  listIdentityJoins: ['admin', 'investigator', 'auditor'],
  joinIdentities: ['admin'],
  undoIdentityJoin: ['admin'],
  listIdentityConflicts: ['admin', 'investigator'],
  decideIdentityConflict: ['admin'],
  listIdentityVetoes: ['admin', 'investigator'],
  liftIdentityVeto: ['admin'],

  listPolicies: ['admin', 'analyst', 'investigator', 'auditor'],
  createPolicy: ['admin'],
  getPolicy: ['admin', 'analyst', 'investigator', 'auditor'],
  listPolicyVersions: ['admin', 'analyst', 'investigator', 'auditor'],
  createPolicyVersion: ['admin'],
  enablePolicy: ['admin'],
  disablePolicy: ['admin'],
  getPolicyHealth: ['admin', 'analyst', 'investigator', 'operator', 'auditor'],
  getPolicySight: ['admin', 'analyst', 'investigator', 'operator', 'auditor'],
  evaluatePolicy: ['admin'],
  listDlpPolicies: ['admin', 'analyst', 'investigator', 'auditor'],
  listIndicators: ['admin', 'analyst', 'investigator', 'auditor'],
  getIndicator: ['admin', 'analyst', 'investigator', 'auditor'],
  createIndicator: ['admin'],

  listAlerts: ['analyst', 'investigator'],
  // An approver reads the alert behind a pending approval, and no other: the handler asks for it.
  getAlert: ['analyst', 'investigator', 'approver'],
  getAlertReceipt: ['analyst', 'investigator', 'approver'],
  listAlertVersions: ['analyst', 'investigator', 'siem'],
  listAlertComments: ['analyst', 'investigator'],
  assignAlert: ['analyst', 'investigator'],
  commentOnAlert: ['analyst', 'investigator'],
  confirmAlert: ['analyst', 'investigator'],
  dismissAlert: ['analyst', 'investigator'],
  escalateAlert: ['analyst', 'investigator'],
  reopenAlert: ['analyst', 'investigator'],

  listApprovals: ['analyst', 'investigator', 'approver'],
  getApproval: ['analyst', 'investigator', 'approver'],
  decideApproval: ['approver'],
  withdrawApproval: ['analyst', 'investigator'],

  listCases: ['analyst', 'investigator'],
  getCase: ['analyst', 'investigator'],
  listCaseNotes: ['analyst', 'investigator'],
  addCaseNote: ['analyst', 'investigator'],
  assignCase: ['analyst', 'investigator'],
  resolveCase: ['analyst', 'investigator'],

  listDestinationKinds: ['admin', 'operator'],
  listDestinations: ['admin', 'operator'],
  createDestination: ['admin'],
  getDestination: ['admin', 'operator'],
  updateDestination: ['admin'],
  resumeDestination: ['admin', 'operator'],
  retireDestination: ['admin'],
  listDeliveries: ['operator', 'siem'],
  getDelivery: ['operator', 'siem'],

  listAuditEntries: ['auditor'],

  listTokens: ['admin'],
  createToken: ['admin'],
  revokeToken: ['admin'],
} as const satisfies Record<OperationId, readonly Role[] | 'public' | 'everybody'>

export function may(roles: readonly Role[], operation: OperationId): boolean {
  const allowed: readonly Role[] | 'public' | 'everybody' = MAY[operation]
  return typeof allowed === 'string' || roles.some((role) => allowed.includes(role))
}
