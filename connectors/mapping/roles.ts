import type { ColumnRole } from '../connector.ts'

const role = (
  id: string,
  title: string,
  meaning: string,
  suggests: readonly string[],
  required = false,
): ColumnRole => ({ id, title, required, meaning, suggests })

/** What a column of somebody's log can say about an activity. */
export const ROLES: readonly ColumnRole[] = [
  role(
    'person',
    'Who',
    'Account of the person who did it.',
    ['user', 'username', 'useremail', 'email', 'upn', 'actor', 'account', 'login', 'userid', 'person'],
    true,
  ),
  role(
    'at',
    'When',
    'Instant of the activity.',
    ['timestamp', 'time', 'date', 'datetime', 'at', 'eventtime', 'createdat', 'occurredat', 'when'],
    true,
  ),
  role('action', 'What', 'Name of the action, translated by the value table.', [
    'action',
    'event',
    'operation',
    'activity',
    'verb',
    'eventname',
    'eventtype',
    'type',
  ]),
  role('object', 'Object', 'Path or name of what it was done to.', [
    'object',
    'path',
    'file',
    'filename',
    'objectpath',
    'resource',
    'document',
    'item',
  ]),
  role('container', 'Container', 'Share, site, bucket or application that holds the object.', [
    'container',
    'bucket',
    'share',
    'site',
    'drive',
    'folder',
    'application',
    'app',
    'system',
  ]),
  role('size', 'Size', 'How much was moved, in the unit that is set.', [
    'bytes',
    'size',
    'sizebytes',
    'filesize',
    'length',
  ]),
  role('items', 'Items', 'How many objects the record stands for.', [
    'count',
    'items',
    'itemcount',
    'records',
    'quantity',
  ]),
  role('outcome', 'Outcome', 'Whether it succeeded, translated by the value table.', [
    'outcome',
    'result',
    'status',
    'success',
  ]),
  role('ip', 'Origin', 'Address that it came from.', [
    'ip',
    'ipaddress',
    'clientip',
    'sourceip',
    'remoteaddress',
    'srcip',
  ]),
  role('userAgent', 'Program', 'Program by which it was done.', ['useragent', 'client', 'program']),
]
