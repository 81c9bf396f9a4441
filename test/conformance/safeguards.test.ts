import { afterAll, beforeAll, expect, test } from 'vitest'
import { conform } from '../../cli/conformance/conformance.ts'
import { type TestDatabase, testDatabase } from '../harness/database.ts'
import { Mutants } from './mutant.ts'

/**
 * The source of each safeguard, taken out by itself: the scenario that is there for it has to fail, and to say why. What
 * `mutation.test.ts` changes from outside is changed here where it is written.
 */
const GRAPH = 'microsoft-graph-alerts'
const DRIVE = 'google-drive'
const OFFICE = 'office-365-activity'
const SALESFORCE = 'salesforce'
const REST = 'generic-rest'

type Safeguard = [name: string, kind: string, file: string, from: string, to: string, scenario: string, says: RegExp]

const LOST = /never stored/
const TWICE = /more than once/

const EVERYWHERE: Safeguard[] = [
  [
    'no redirect is followed',
    OFFICE,
    'http/exchange.ts',
    "redirect: 'manual'",
    "redirect: 'follow'",
    'redirect',
    /another host/,
  ],
  [
    'no link leads away',
    GRAPH,
    'http/client.ts',
    "if (url.origin !== home.origin || url.username !== '') {",
    'if (false) {',
    'foreign_link',
    /another host/,
  ],
  [
    'a refused token is renewed',
    OFFICE,
    'http/client.ts',
    '|| !mayRenew(done)) throw done',
    ') throw done\n      throw done',
    'token_refused',
    /credential_refused/,
  ],
  [
    'a token is renewed in time',
    DRIVE,
    'http/sign-in.ts',
    'const RENEW_AT = 0.8',
    'const RENEW_AT = 800',
    'short_tokens',
    /known to have ended/,
  ],
  [
    'requests are counted',
    OFFICE,
    'http/exchange.ts',
    'await access.budget?.take(access, signal)',
    '',
    'limit',
    /allowed were/,
  ],
  [
    'a wait that is asked for is kept',
    GRAPH,
    'http/retrying.ts',
    'error.retryAfterMs ?? backoffMs(attempt)',
    '1',
    'retry_after',
    /came back after/,
  ],
  [
    'a long wait is handed on',
    DRIVE,
    'http/retrying.ts',
    'if (wait > PATIENCE_MS) throw error',
    '',
    'long_wait',
    /the workflow was told \[\]/,
  ],
  [
    'a server error is tried again',
    OFFICE,
    'http/refusal.ts',
    'status === 425 || status >= 500',
    'status === 425',
    'server_error',
    /source_refused/,
  ],
  [
    'another body is no answer',
    DRIVE,
    'http/refusal.ts',
    "new AppError('source_answer_invalid'",
    "new AppError('source_refused'",
    'garbage',
    /source_refused/,
  ],
  [
    'a cut body is no answer',
    'box',
    'http/exchange.ts',
    "new AppError('connector_unreachable'",
    "new AppError('source_refused'",
    'cut',
    /source_refused/,
  ],
]

const BY_KIND: Safeguard[] = [
  [
    'an event has its own id',
    OFFICE,
    `${OFFICE}/map.ts`,
    "const id = text(record['Id'])",
    "const id = text(record['Id']) && String(Math.random())",
    'availability',
    TWICE,
  ],
  [
    'lists overlap',
    OFFICE,
    `${OFFICE}/read.ts`,
    'Date.parse(known) - OVERLAP_SECONDS * 1000',
    'Date.parse(known)',
    'late',
    LOST,
  ],
  [
    'a daily sweep',
    OFFICE,
    `${OFFICE}/read.ts`,
    '  position.sweptAt = until.toISOString()\n',
    '  return\n',
    'very_late',
    LOST,
  ],
  [
    'a list counts when it was read to its end',
    OFFICE,
    `${OFFICE}/read.ts`,
    'if (portion.isLast) {',
    '{',
    'outage',
    LOST,
  ],
  [
    'every page of a list',
    OFFICE,
    `${OFFICE}/client.ts`,
    'next: next ? linkWithin(base, next, LISTING) : null',
    'next: null',
    'page_twice',
    LOST,
  ],
  [
    'a forgotten page begins the list anew',
    OFFICE,
    `${OFFICE}/refusals.ts`,
    "reason === 'AF20031'",
    'false',
    'cursor_rejected',
    /source_refused/,
  ],
  [
    'a 403 may be throttling',
    OFFICE,
    `${OFFICE}/refusals.ts`,
    "AF429: 'source_throttled'",
    "AF429: 'permission_missing'",
    'throttled',
    /permission_missing/,
  ],
  [
    'what is unknown is kept',
    OFFICE,
    `${OFFICE}/map.ts`,
    '  const { outcome, flags = []',
    "  if (telling === elsewhere) return { type: 'ignored', why: 'unknown' }\n  const { outcome, flags = []",
    'unknown_type',
    LOST,
  ],
  [
    'a range begins where it begins',
    OFFICE,
    `${OFFICE}/read.ts`,
    'Math.max(from.getTime(), now - REACH_MS)',
    'Math.max(from.getTime() + HOUR_MS, now - REACH_MS)',
    'backfill',
    LOST,
  ],

  ['windows overlap', DRIVE, 'windows.ts', 'Date.parse(asOf) - overlapMs', 'Date.parse(asOf)', 'late', LOST],
  [
    'a daily sweep',
    DRIVE,
    'windows.ts',
    '  position.sweptAt = until.toISOString()\n',
    '  position.sweep = []\n',
    'very_late',
    LOST,
  ],
  [
    'a window counts when it was read to its end',
    DRIVE,
    'windows.ts',
    'if (live.pageToken === null) finishLive',
    'finishLive',
    'outage',
    LOST,
  ],
  [
    'a forgotten page begins the window anew',
    DRIVE,
    `${DRIVE}/client.ts`,
    'error.answered === 400',
    'false',
    'cursor_rejected',
    /source_refused/,
  ],
  [
    'a 403 may be a quota',
    DRIVE,
    `${DRIVE}/client.ts`,
    'status === 403 && isQuota',
    'false',
    'throttled',
    /permission_missing/,
  ],
  [
    'what is unknown is kept',
    DRIVE,
    `${DRIVE}/map.ts`,
    '  const parameters = parametersOf(event)',
    "  if (!(name in VERBS) && !isSharing(name)) return { type: 'ignored', why: 'unknown' }\n  const parameters = parametersOf(event)",
    'unknown_type',
    LOST,
  ],

  [
    'windows overlap',
    GRAPH,
    `${GRAPH}/read.ts`,
    'Date.parse(position.updatedAt) - OVERLAP_SECONDS * 1000',
    'Date.parse(position.updatedAt) + 1000',
    'late',
    LOST,
  ],
  [
    'a window counts when it was read to its end',
    GRAPH,
    `${GRAPH}/read.ts`,
    '    if (next === null) {\n      // Not before',
    '    {\n      // Not before',
    'outage',
    LOST,
  ],
  [
    'a forgotten page begins the window anew',
    GRAPH,
    `${GRAPH}/read.ts`,
    'error instanceof Refusal && (',
    'false && (',
    'cursor_rejected',
    /source_refused/,
  ],
  [
    'a range begins where it begins',
    GRAPH,
    `${GRAPH}/read.ts`,
    'const { from, to } = input',
    'const { to } = input\n  const from = new Date(input.from.getTime() + 1)',
    'backfill',
    LOST,
  ],

  [
    'an event has its own id',
    'box',
    'box/map.ts',
    "const id = idText(record['event_id'])",
    "const id = idText(record['event_id']) && String(Math.random())",
    'page_twice',
    TWICE,
  ],
  [
    'a weekly sweep',
    'box',
    'box/read.ts',
    '>= SWEEP_EVERY_SECONDS * 1000',
    '>= 2 * SWEEP_EVERY_SECONDS * 1000',
    'very_late',
    LOST,
  ],
  [
    'a lost position is made good from the log',
    'box',
    'box/read.ts',
    "error.code !== 'source_cursor_lost' || position.position === null",
    'true',
    'cursor_rejected',
    /source_cursor_lost/,
  ],
  [
    'digits of a position',
    'box',
    'http/json.ts',
    '&& !isSafeNumber(digits) ? digits',
    '&& false ? digits',
    'server_error',
    /ended with|never stored|more than once/,
  ],

  [
    'what is created late is looked for',
    SALESFORCE,
    `${SALESFORCE}/read.ts`,
    'Date.parse(createdAt) - OVERLAP_SECONDS * 1000',
    'Date.parse(createdAt)',
    'late',
    LOST,
  ],
  [
    'a file counts as read when it was',
    SALESFORCE,
    `${SALESFORCE}/read.ts`,
    '      const records = await rowsOf(log, file, input)\n      walk.pending.shift()\n      walk.read = file.id\n',
    '      walk.pending.shift()\n      yield { origin: ORIGIN, records: [], seenKeys: [file.id] }\n      const records = await rowsOf(log, file, input)\n',
    'outage',
    LOST,
  ],
  [
    'a forgotten place is listed anew',
    SALESFORCE,
    `${SALESFORCE}/read.ts`,
    "!isAppError(error) || error.code !== 'source_cursor_lost'",
    'true',
    'cursor_rejected',
    /source_cursor_lost/,
  ],
  [
    'a page of somebody between is no log file',
    SALESFORCE,
    `${SALESFORCE}/log-file.ts`,
    "if (!columns.has('event_type') || !(columns.has('timestamp') || columns.has('timestamp_derived')))",
    'if (columns.size === 0)',
    'garbage',
    LOST,
  ],
  [
    'a refusal may be a quota',
    SALESFORCE,
    `${SALESFORCE}/client.ts`,
    "if (reason !== 'REQUEST_LIMIT_EXCEEDED') return named",
    'return named',
    'throttled',
    /permission_missing/,
  ],
  [
    'what is unknown is kept',
    SALESFORCE,
    `${SALESFORCE}/map.ts`,
    "const rule = RULES[type] ?? { verb: 'other' }",
    "const rule = RULES[type]\n  if (!rule) return { type: 'ignored', why: 'unknown' }",
    'unknown_type',
    LOST,
  ],

  [
    'windows overlap as it is set',
    REST,
    `${REST}/read.ts`,
    'overlapMs: overlapMinutes * 60_000',
    'overlapMs: 0',
    'late',
    LOST,
  ],
  ['a daily sweep', REST, `${REST}/read.ts`, 'sweep: sweepHours === 0', 'sweep: sweepHours >= 0', 'very_late', LOST],
  [
    'a link stays on the configured host',
    REST,
    `${REST}/paging.ts`,
    'new URL(linkWithin(url, link, DOING))',
    'new URL(link, url)',
    'foreign_link',
    /went on although/,
  ],
  [
    'a forgotten cursor begins the window anew',
    REST,
    `${REST}/client.ts`,
    'error.answered === 400 ||',
    'false ||',
    'cursor_rejected',
    /source_refused/,
  ],
  [
    'an action that no table names is kept',
    REST,
    'mapping/map.ts',
    "(config.otherActions === 'other' ? (config.verb ?? 'other') : config.otherActions)",
    "'ignore'",
    'unknown_type',
    LOST,
  ],
  [
    'event ids of the source',
    REST,
    'mapping/map.ts',
    'if (others.length === 0) return first',
    'if (others.length === 0) return () => String(Math.random())',
    'availability',
    TWICE,
  ],
]

let database: TestDatabase
const mutants = new Mutants()
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(async () => {
  mutants[Symbol.dispose]()
  await database[Symbol.asyncDispose]()
})

test.each([...EVERYWHERE, ...BY_KIND])(
  'without “%s” %s fails',
  { timeout: 60_000 },
  async (_, kind, file, from, to, scenario, says) => {
    const definition = await mutants.make(kind, { file, from, to })
    const { passed, verdicts } = await conform(database, definition, { only: [scenario] })
    expect(verdicts.flatMap((verdict) => verdict.says).join('\n')).toMatch(says)
    expect(passed).toBe(false)
  },
)
