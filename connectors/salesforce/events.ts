import type { Audience, Verb } from '../../domain/signal.ts'

/** A row's cells by column in lower case. */
export type Row = Readonly<Record<string, string>>

/** How the rows of an event type are read. */
export interface EventRule {
  verb: Verb | ((row: Row) => Verb)
  /** Columns that name the object; the first that is not empty counts. */
  object?: readonly string[]
  /** Columns that name what holds it, or the kind of record it is. */
  container?: readonly string[]
  /** Column with the number of records. */
  items?: string
  /** Column with the bytes that were moved. */
  bytes?: string
  flags?: readonly string[]
  audience?: (verb: Verb) => Audience | undefined
  /** Rows that repeat what another row counts. */
  secondary?: (row: Row) => boolean
}

const upper = (row: Row, column: string): string => (row[column] ?? '').toUpperCase()

/** By the text of a column; what is not listed is `other`. */
const by =
  (column: string, verbs: Readonly<Record<string, Verb>>, otherwise: Verb = 'other') =>
  (row: Row): Verb =>
    verbs[upper(row, column)] ?? otherwise

const WRITES: Readonly<Record<string, Verb>> = {
  POST: 'create',
  CREATE: 'create',
  INSERT: 'create',
  PUT: 'edit',
  PATCH: 'edit',
  UPDATE: 'edit',
  UPSERT: 'edit',
  DELETE: 'delete',
  HARDDELETE: 'purge',
  UNDELETE: 'restore',
}
/** Calls of the SOAP API that hand out no records. */
const NO_DATA = /^(describe|login|logout|getServerTimestamp|getUserInfo|setPassword|resetPassword)/i

const apiVerb = (row: Row): Verb => {
  const method = row['method_name'] || row['method'] || ''
  return WRITES[method.toUpperCase()] ?? (NO_DATA.test(method) ? 'other' : 'query_data')
}

const API: EventRule = {
  verb: apiVerb,
  object: ['entity_name'],
  items: 'rows_processed',
  bytes: 'response_size',
  flags: ['by_api'],
}
const REPORT: EventRule = {
  verb: 'query_data',
  object: ['report_id_derived', 'report_id', 'master_report_id'],
  container: ['entity_name'],
  items: 'row_count',
}
/** A job writes a row each time its state changes: the last one counts. */
const isUnderWay = (row: Row): boolean => {
  const state = upper(row, 'job_status').replaceAll(/[^A-Z]/g, '')
  return state !== '' && !['JOBCOMPLETE', 'COMPLETE', 'COMPLETED', 'FAILED', 'ABORTED'].includes(state)
}
const LINK: Record<string, Verb> = {
  INSERT: 'link_create',
  CREATE: 'link_create',
  CREATED: 'link_create',
  UPDATE: 'share_change',
  UPDATED: 'share_change',
  DELETE: 'link_remove',
  DELETED: 'link_remove',
  VIEW: 'link_access',
  ACCESSED: 'link_access',
  DOWNLOAD: 'link_access',
}

/**
 * Event types to what they mean; a type that is not listed is kept as `other`.
 * https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_eventlogfile_supportedeventtypes.htm
 */
export const RULES: Readonly<Record<string, EventRule>> = {
  ContentTransfer: {
    verb: by('transaction_type', {
      VERSIONDOWNLOADACTION: 'download',
      VERSIONDOWNLOADAPI: 'download',
      CONTENTDOWNLOAD: 'download',
      VERSIONRENDITIONDOWNLOAD: 'preview',
      CONTENTPREVIEW: 'preview',
      SAVEVERSION: 'upload',
      CONTENTUPLOAD: 'upload',
    }),
    object: ['document_id_derived', 'document_id'],
    bytes: 'size_bytes',
  },
  DocumentAttachmentDownloads: { verb: 'download', object: ['entity_id'] },
  Attachment: {
    verb: by('operation', { ...WRITES, DOWNLOAD: 'download' }),
    object: ['attachment_id'],
    container: ['parent_id'],
  },
  ContentDistribution: {
    verb: by('action', LINK),
    object: ['version_id', 'delivery_id'],
    audience: (verb) => (verb === 'link_create' ? 'anyone_with_link' : undefined),
  },
  ContentDocumentLink: {
    verb: by('sharing_operation', { INSERT: 'share_add', UPDATE: 'share_change', DELETE: 'share_remove' }),
    object: ['document_id'],
  },
  ReportExport: { verb: 'export_report', object: ['report_description'] },
  Report: REPORT,
  AsyncReportRun: REPORT,
  MultiBlockReport: REPORT,
  WaveDownload: { verb: 'download', object: ['asset_id'], container: ['asset_type'], items: 'number_of_records' },
  Dashboard: { verb: 'view', object: ['dashboard_id_derived', 'dashboard_id'] },
  KnowledgeArticleView: { verb: 'view', object: ['article_id'], container: ['entity'] },
  LightningPageView: { verb: 'view', object: ['page_entity_id'], container: ['page_entity_type'] },
  URI: { verb: 'view', object: ['uri_id_derived', 'uri'] },
  API,
  RestApi: API,
  ApexRestApi: API,
  BulkApi: {
    verb: by('operation_type', WRITES, 'query_data'),
    object: ['entity_type'],
    items: 'rows_processed',
    flags: ['by_api', 'bulk'],
  },
  BulkApi2: {
    verb: by('operation_type', WRITES, 'query_data'),
    object: ['entity_type'],
    items: 'records_processed',
    flags: ['by_api', 'bulk'],
    secondary: isUnderWay,
  },
  Search: { verb: 'search', object: ['search_query'] },
  Login: {
    verb: (row) => (['', 'LOGIN_NO_ERROR'].includes(upper(row, 'login_status')) ? 'login' : 'login_failed'),
  },
  LoginAs: {
    verb: 'login',
    object: ['user_id_derived', 'user_id'],
    flags: ['impersonation'],
  },
  SalesforceLoginAs: { verb: by('operation', { LOGIN: 'login', LOGOUT: 'logout' }, 'login'), flags: ['impersonation'] },
  Logout: { verb: 'logout' },
  GroupMembership: { verb: 'permission_policy_change', object: ['group_id'] },
  PermissionUpdate: { verb: 'permission_policy_change', object: ['feature_id'] },
  InsufficientAccess: { verb: 'view', object: ['record_id'], container: ['entity_type'] },
}

/**
 * What platform and pages do to answer a click, many rows for one act of a person, or the same act a second time.
 * Read all the same when it is not left out.
 */
export const LEFT_OUT = [
  'ApexCallout',
  'ApexExecution',
  'ApexTrigger',
  'ApexUnexpectedException',
  'ApiTotalUsage',
  'AuraRequest',
  'BlockedRedirections',
  'BulkApiRequest',
  'CompositeApi',
  'CompositeApiSubrequest',
  'ConcurrentLongRunningApexLimit',
  'CorsViolation',
  'CSPViolation',
  'DatabaseSave',
  'FlowExecution',
  'HostnameRedirects',
  'InsecureExternalAssets',
  'InvocableAction',
  'LightningError',
  'LightningInteraction',
  'LightningLogger',
  'LightningPageView',
  'LightningPerformance',
  'OneCommerceUsage',
  'QueuedExecution',
  'Sites',
  'TimeBasedWorkflow',
  'UITracking',
  'UiTelemetryNavigationTiming',
  'UiTelemetryResourceTiming',
  'UniqueQuery',
  'URI',
  'VisualforceRequest',
  'WaveInteraction',
  'WavePerformance',
] as const
