/** What can be subscribed to. Read in this order: DLP comes last, for its permission may be missing alone. */
export const CONTENT_TYPES = [
  'Audit.AzureActiveDirectory',
  'Audit.Exchange',
  'Audit.SharePoint',
  'Audit.General',
  'DLP.All',
] as const
export type ContentType = (typeof CONTENT_TYPES)[number]
