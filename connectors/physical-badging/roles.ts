import type { ColumnRole } from '../connector.ts'

const role = (id: string, title: string, required: boolean, meaning: string, suggests: string[]): ColumnRole => ({
  id,
  title,
  required,
  meaning,
  suggests,
})

/** Fields of a badge event. Source: learn.microsoft.com/purview/import-physical-badging-data. */
export const BADGE_ROLES = [
  role('person', 'Person', true, 'Account of the badge holder, as the settings say.', [
    'userid',
    'upn',
    'email',
    'user',
  ]),
  role('asset', 'Asset', true, 'Id of the door or access point.', ['assetid', 'doorid', 'readerid', 'accesspointid']),
  role('at', 'Event time', true, 'When the badge was shown.', ['eventtime', 'time', 'timestamp']),
  role('status', 'Access status', true, 'Whether the door opened.', ['accessstatus', 'status', 'result']),
  role('assetName', 'Asset name', false, 'Name of the door for people.', ['assetname', 'doorname', 'readername']),
  role('eventId', 'Event id', false, "The system's own number of the event.", ['eventid', 'transactionid']),
] as const
