import type { AlertRow } from '../db/queries/alerts.ts'
import type { components } from '../openapi/generated/types.ts'
import { iso, isoOrNull } from './route.ts'

type Wire = components['schemas']

export const presentAlert = (row: AlertRow): Wire['Alert'] => ({
  id: row.id,
  policyId: row.policy_id,
  policyName: row.policy_name,
  person: { uid: row.uid, pseudonym: row.pseudonym },
  state: row.state as Wire['AlertState'],
  severity: row.severity as Wire['Severity'],
  score: row.score,
  version: row.version,
  assigneeId: row.assignee_id,
  dismissReason: row.dismiss_reason,
  caseId: row.case_id,
  pendingApprovalId: row.approval_id,
  attention: row.attention as Wire['Attention'],
  openedAt: iso(row.opened_at),
  updatedAt: iso(row.updated_at),
  closedAt: isoOrNull(row.closed_at),
})
