import type { Answer, Fault } from './faults.ts'
import { meets, parseSoql } from './salesforce/soql.ts'
import { keyPair } from './vendor/key-pair.ts'
import { Timeline } from './vendor/timeline.ts'
import { isValidAssertion, json, TokenOffice } from './vendor/tokens.ts'
import { startVendor, type Vendor, type VendorOptions } from './vendor/vendor.ts'

type Json = Record<string, any>

const DAY_MS = 86_400_000
const CONSUMER_KEY = '3MVG9sandbox'
const CONSUMER_SECRET = 'sandbox-consumer-secret'
const INTEGRATION_USER = 'integration@sandbox.example'
/** A JWT may claim a few minutes. */
const ASSERTION_SECONDS = 300

export interface LogFileDraft {
  eventType: string
  /** Rows of cells by column; the first row's columns are the header. */
  rows: readonly Record<string, string>[]
  /** Begin of the hour or day. */
  logDate: Date
  interval?: 'Hourly' | 'Daily'
  sequence?: number
  /** Default: as soon as it is readable. */
  createdAt?: Date
  availableAt: Date
}

export interface SalesforceOptions extends VendorOptions {
  /** Default two hours; how long is told by no answer. */
  tokenSeconds?: number
  /** Records on one page at most, whatever the client asks for. */
  pageRecords?: number
  /** API calls in 24 hours. Default 100,000. */
  dailyCalls?: number
}

export interface Salesforce extends Vendor {
  tokens: TokenOffice
  /** What an admin would enter: app, user, key, and where everything is. */
  settings: {
    url: string
    loginUrl: string
    clientId: string
    username: string
    privateKey: string
  }
  /** Of the app's other way to sign in. */
  clientSecret: string
  /** Returns the file's id. */
  addFile(draft: LogFileDraft): string
  /** Takes a file away, as ageing does. */
  removeFile(id: string): void
  addUser(user: Json): void
  /** Places in lists that were handed out are refused from now on. */
  forgetPlaces(): void
  /** API calls that others spend. */
  spend(calls: number): void
}

interface LogFile extends Json {
  Id: string
  body: string
}

/**
 * The event log files of a Salesforce organisation at the socket: sign-in by JWT or client credentials, SOQL over
 * EventLogFile and User, pages by `nextRecordsUrl`, files as CSV, and a quota of calls a day.
 * Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/using_resources_event_log_files.htm
 */
export async function startSalesforce(options: SalesforceOptions = {}): Promise<Salesforce> {
  const { pageRecords = 2000, tokenSeconds = 7200, dailyCalls = 100_000 } = options
  const { privateKey, registered: keys } = keyPair()
  const users: Json[] = []
  const calls: number[] = []
  let places = new Map<string, Json[]>()
  let names = 0

  const vendor = await startVendor(
    {
      operation: (method, path) =>
        OPERATIONS.find(([verb, form]) => verb === method && form.test(path))?.[2] ?? 'unknown',
      async handle({ method: _, path, query, headers, body }, operation) {
        if (operation === 'token') return tokens.answer(body, headers)
        if (operation === 'unknown') return refused('NOT_FOUND')
        if (tokens.verdict(headers) !== 'valid') return refused('INVALID_SESSION_ID')
        return counted(() => {
          if (operation === 'file') return fileBody(path.split('/').at(-2) as string)
          return operation === 'more' ? page(path.split('/').at(-1) as string) : found(query.get('q') ?? '')
        })
      },
      wordFault: ({ code, status }) => refused(code, status),
      stage: (events) => {
        for (const event of events) stage(event as Json)
      },
    },
    options,
  )
  const files = new Timeline<LogFile>(vendor.clock)
  const gone = new Set<string>()
  const tokens = new TokenOffice({
    clock: vendor.clock,
    lifetimeSeconds: tokenSeconds,
    announcesLife: false,
    more: { instance_url: vendor.url, id: `${vendor.url}/id/00D000000000001EAA/005000000000001AAA`, scope: 'api' },
    grants: async (form) =>
      form.get('grant_type') === 'client_credentials'
        ? form.get('client_id') === CONSUMER_KEY && form.get('client_secret') === CONSUMER_SECRET
        : form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer' &&
          (await isValidAssertion(form.get('assertion'), {
            clock: vendor.clock,
            keys,
            issuer: CONSUMER_KEY,
            subject: INTEGRATION_USER,
            audience: vendor.url,
            maxLifetimeSeconds: ASSERTION_SECONDS,
            clockOffsetMs: vendor.clockOffsetMs,
          })),
  })

  function counted(answer: () => Answer): Answer {
    const now = vendor.clock.now().getTime()
    while (calls.length > 0 && (calls[0] as number) <= now - DAY_MS) calls.shift()
    const told = { 'sforce-limit-info': `api-usage=${Math.min(calls.length + 1, dailyCalls)}/${dailyCalls}` }
    if (calls.length >= dailyCalls) return withHeaders(refused('REQUEST_LIMIT_EXCEEDED'), told)
    calls.push(now)
    return withHeaders(answer(), told)
  }

  function found(text: string): Answer {
    const query = parseSoql(text)
    if (!query) return refused('MALFORMED_QUERY')
    const table: readonly Json[] | undefined =
      query.from === 'EventLogFile' ? readableFiles() : query.from === 'User' ? users : undefined
    if (!table) return refused('INVALID_TYPE')
    const records = table
      .filter((record) => query.conditions.every((condition) => meets(record, condition)))
      .sort((a, b) => compare(a, b, query.orderBy))
      .slice(0, query.limit)
      .map((record) => ({
        attributes: { type: query.from },
        ...Object.fromEntries(query.fields.map((field) => [field, record[field] ?? null])),
      }))
    return handOut(records, 0, `01g${String(places.size + 1).padStart(15, '0')}`)
  }

  function page(place: string): Answer {
    const [name = '', from = ''] = place.split('-')
    const records = places.get(name)
    return records ? handOut(records, Number(from), name) : refused('INVALID_QUERY_LOCATOR')
  }

  function handOut(records: Json[], from: number, name: string): Answer {
    const some = records.slice(from, from + pageRecords)
    const next = from + some.length
    const done = next >= records.length
    if (!done) places.set(name, records)
    return json(200, {
      totalSize: records.length,
      done,
      ...(done ? {} : { nextRecordsUrl: `/services/data/v62.0/query/${name}-${next}` }),
      records: some,
    })
  }

  const readableFiles = (): LogFile[] =>
    files
      .byTime()
      .map(({ record }) => record)
      .filter(({ Id }) => !gone.has(Id))

  function fileBody(id: string): Answer {
    const file = readableFiles().find((each) => each.Id === id)
    if (!file) return refused('NOT_FOUND')
    return { status: 200, headers: { 'content-type': 'application/octetstream' }, body: file.body }
  }

  function addFile(draft: LogFileDraft): string {
    const { eventType, rows, logDate, availableAt, createdAt = availableAt, interval = 'Hourly', sequence = 1 } = draft
    names += 1
    const id = `0AT${String(names).padStart(12, '0')}AAA`
    const body = csvOf(rows)
    const file = {
      Id: id,
      EventType: eventType,
      LogDate: sourceTime(logDate),
      CreatedDate: sourceTime(createdAt),
      LastModifiedDate: sourceTime(createdAt),
      Interval: interval,
      Sequence: interval === 'Daily' ? 0 : sequence,
      ApiVersion: 62.0,
      LogFileLength: Buffer.byteLength(body),
      LogFileContentType: 'text/csv',
      LogFile: `/services/data/v62.0/sobjects/EventLogFile/${id}/LogFile`,
      body,
    }
    files.add(file, createdAt, { availableAt })
    return id
  }

  /** A row of its own file, `{"EVENT_TYPE": "ReportExport", "TIMESTAMP_DERIVED": …}`; a user is told by its `Id`. */
  function stage({ availableAt, ...event }: Json): void {
    if (event['Id'] !== undefined) {
      users.push(event)
      return
    }
    const at = new Date(event['TIMESTAMP_DERIVED'])
    if (Number.isNaN(at.getTime()) || !event['EVENT_TYPE'])
      throw new RangeError('a row needs EVENT_TYPE and TIMESTAMP_DERIVED')
    addFile({
      eventType: event['EVENT_TYPE'],
      rows: [event],
      logDate: hourOf(at),
      availableAt: availableAt === undefined ? at : new Date(availableAt),
    })
  }

  return Object.assign(vendor, {
    tokens,
    settings: {
      url: vendor.url,
      loginUrl: vendor.url,
      clientId: CONSUMER_KEY,
      username: INTEGRATION_USER,
      privateKey,
    },
    clientSecret: CONSUMER_SECRET,
    addFile,
    removeFile: (id: string) => void gone.add(id),
    addUser: (user: Json) => void users.push(user),
    forgetPlaces() {
      places = new Map()
    },
    spend(count: number) {
      for (let spent = 0; spent < count; spent += 1) calls.push(vendor.clock.now().getTime())
    },
  })
}

const OPERATIONS: readonly [method: string, path: RegExp, operation: string][] = [
  ['POST', /^\/services\/oauth2\/token$/, 'token'],
  ['GET', /^\/services\/data\/v\d+\.0\/query$/, 'query'],
  ['GET', /^\/services\/data\/v\d+\.0\/query\/\w+-\d+$/, 'more'],
  ['GET', /^\/services\/data\/v\d+\.0\/sobjects\/EventLogFile\/\w+\/LogFile$/, 'file'],
]

export const hourOf = (at: Date): Date => new Date(Math.floor(at.getTime() / 3_600_000) * 3_600_000)

/** With an offset that has no colon. */
const sourceTime = (at: Date): string => at.toISOString().replace('Z', '+0000')

/** Everything in quotes, doubled quotes inside, line feeds between rows. */
export function csvOf(rows: readonly Record<string, string>[]): string {
  const columns = Object.keys(rows[0] ?? {})
  const line = (cells: readonly string[]) => cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',')
  return `${[line(columns), ...rows.map((row) => line(columns.map((column) => row[column] ?? '')))].join('\n')}\n`
}

function compare(a: Json, b: Json, fields: readonly string[]): number {
  for (const field of fields) if (a[field] !== b[field]) return a[field] < b[field] ? -1 : 1
  return 0
}

const withHeaders = (answer: Answer, headers: Record<string, string>): Answer => ({
  ...answer,
  headers: { ...answer.headers, ...headers },
})

const STATUSES: Record<string, number> = {
  INVALID_SESSION_ID: 401,
  NOT_FOUND: 404,
  REQUEST_LIMIT_EXCEEDED: 403,
  API_DISABLED_FOR_ORG: 403,
  INSUFFICIENT_ACCESS: 403,
  SERVER_UNAVAILABLE: 503,
  UNKNOWN_EXCEPTION: 500,
}

/** Errors come as a list; those of the sign-in are an object. */
function refused(code: NonNullable<Fault['code']>, status = STATUSES[code] ?? 400): Answer {
  return code.startsWith('invalid_')
    ? json(400, { error: code, error_description: 'refused' })
    : json(status, [{ message: `refused: ${code}`, errorCode: code }])
}
