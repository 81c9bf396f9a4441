import type { Migration } from 'kysely'
import * as staffAndAudit from './20261123_0900_create_staff_and_audit.ts'
import * as peopleAndConnectors from './20261123_0910_create_people_and_connectors.ts'
import * as signals from './20261123_0920_create_signals.ts'
import * as policiesAndAlerts from './20261123_0930_create_policies_and_alerts.ts'
import * as exports_ from './20261123_0940_create_exports.ts'
import * as rollup from './20261123_1000_create_rollup.ts'
import * as subjectsAndFindings from './20261124_1520_add_subjects_and_findings.ts'
import * as alertWaitingSince from './20261124_1525_add_alert_waiting_since.ts'
import * as microsoftUploads from './20261124_1535_add_microsoft_uploads.ts'
import * as backfill from './20261124_1600_create_backfill.ts'
import * as everybodyDue from './20261124_1630_add_everybody_due.ts'
import * as supersededActivity from './20261124_1720_index_superseded_activity.ts'
import * as keyHolder from './20261124_1825_add_key_holder.ts'
import * as prerequisites from './20261124_1830_extend_prerequisites.ts'
import * as hastenImports from './20261124_1900_hasten_imports.ts'
import * as explainedVersions from './20261124_2005_explain_alert_versions.ts'
import * as identityJoins from './20261124_2150_create_identity_joins.ts'
import * as sharedRollups from './20261124_2225_share_rollups.ts'
import * as departmentsOfPatients from './20261129_2130_note_departments_of_patients.ts'
import * as hastenedAccounts from './20261130_0400_hasten_accounts.ts'
import * as plainNotices from './20261130_0910_keep_notices_plain.ts'

/** Every migration under its file's name, which is its place in the order. */
export const migrations: Record<string, Migration> = {
  '20261123_0900_create_staff_and_audit': staffAndAudit,
  '20261123_0910_create_people_and_connectors': peopleAndConnectors,
  '20261123_0920_create_signals': signals,
  '20261123_0930_create_policies_and_alerts': policiesAndAlerts,
  '20261123_0940_create_exports': exports_,
  '20261123_1000_create_rollup': rollup,
  '20261124_1520_add_subjects_and_findings': subjectsAndFindings,
  '20261124_1525_add_alert_waiting_since': alertWaitingSince,
  '20261124_1535_add_microsoft_uploads': microsoftUploads,
  '20261124_1600_create_backfill': backfill,
  '20261124_1630_add_everybody_due': everybodyDue,
  '20261124_1720_index_superseded_activity': supersededActivity,
  '20261124_1825_add_key_holder': keyHolder,
  '20261124_1830_extend_prerequisites': prerequisites,
  '20261124_1900_hasten_imports': hastenImports,
  '20261124_2005_explain_alert_versions': explainedVersions,
  '20261124_2150_create_identity_joins': identityJoins,
  '20261124_2225_share_rollups': sharedRollups,
  '20261129_2130_note_departments_of_patients': departmentsOfPatients,
  '20261130_0400_hasten_accounts': hastenedAccounts,
  '20261130_0910_keep_notices_plain': plainNotices,
}
