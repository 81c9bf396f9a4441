import { isUtf8 } from 'node:buffer'

/** RFC 5424 §6: one message. Absent fields are null. */
export interface SyslogRecord {
  /** 0..23 */
  facility: number
  /** 0 (emergency)..7 (debug) */
  severity: number
  /** As sent: keeps the offset and the digits. */
  timestamp: string | null
  hostname: string | null
  appName: string | null
  procId: string | null
  msgId: string | null
  /** SD-ID → parameters in the order sent; a name may come more than once. */
  structuredData: Map<string, [name: string, value: string][]>
  /** Without a byte order mark; null where there is none. */
  message: string | null
  /** Whether MSG began with a byte order mark (MSG-UTF8). */
  byteOrderMark: boolean
}

export type SyslogFault =
  | 'app_name_invalid'
  | 'header_incomplete'
  | 'hostname_invalid'
  | 'message_not_utf8'
  | 'msg_id_invalid'
  | 'pri_invalid'
  | 'proc_id_invalid'
  | 'structured_data_invalid'
  | 'timestamp_invalid'
  | 'version_unknown'

/** Where in the message it is wrong: a byte offset. Nothing of the content is repeated. */
export class SyslogError extends Error {
  readonly code: SyslogFault
  readonly offset: number

  constructor(code: SyslogFault, offset: number) {
    super(`${code} at byte ${offset}`)
    this.name = 'SyslogError'
    this.code = code
    this.offset = offset
  }
}

const MAX_PRI = 191
const BOM = '\u{feff}'
const FULL_TIME =
  /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/
const SD_NAME = /^[!#-<>-\\^-~]{1,32}$/ // printable US-ASCII but = ] and "
const PRIVATE_SD_ID = /^[^@]+@\d+(?:\.\d+)*$/
/** https://www.iana.org/assignments/syslog-parameters: names without @ have to be registered. */
const REGISTERED_SD_IDS = new Set(['timeQuality', 'origin', 'meta'])

const FIELDS = [
  ['hostname', 255, 'hostname_invalid'],
  ['appName', 48, 'app_name_invalid'],
  ['procId', 128, 'proc_id_invalid'],
  ['msgId', 32, 'msg_id_invalid'],
] as const

/** Parses one SYSLOG-MSG to the letter of RFC 5424 §6. Throws SyslogError. */
export function parseSyslog(bytes: Buffer): SyslogRecord {
  if (!isUtf8(bytes)) throw new SyslogError('message_not_utf8', 0)
  // Latin-1 keeps offsets and bytes one to one; values are decoded as UTF-8 when they are cut out.
  const text = bytes.toString('latin1')
  const pri = /^<(0|[1-9]\d{0,2})>/.exec(text)
  const value = Number(pri?.[1] ?? Number.NaN)
  if (!(value <= MAX_PRI)) throw new SyslogError('pri_invalid', 0)
  let at = pri?.[0].length ?? 0
  const word = (): string => {
    const end = text.indexOf(' ', at)
    if (end === -1) throw new SyslogError('header_incomplete', at)
    const found = text.slice(at, end)
    at = end + 1
    return found
  }

  if (!text.startsWith('1 ', at)) throw new SyslogError('version_unknown', at)
  at += 2
  const timestampAt = at
  const timestamp = word()
  if (timestamp !== '-' && !isTimestamp(timestamp)) throw new SyslogError('timestamp_invalid', timestampAt)
  const names = { hostname: '', appName: '', procId: '', msgId: '' }
  for (const [name, most, fault] of FIELDS) {
    const start = at
    const found = word()
    if (!/^[!-~]+$/.test(found) || found.length > most) throw new SyslogError(fault, start)
    names[name] = found
  }
  const { structuredData, end } = readStructuredData(text, at)
  const message = end === text.length ? null : readMessage(text, end)
  return {
    facility: value >> 3,
    severity: value & 7,
    timestamp: nil(timestamp),
    hostname: nil(names.hostname),
    appName: nil(names.appName),
    procId: nil(names.procId),
    msgId: nil(names.msgId),
    structuredData,
    message: message?.startsWith(BOM) ? message.slice(1) : message,
    byteOrderMark: message?.startsWith(BOM) ?? false,
  }
}

const nil = (text: string) => (text === '-' ? null : text)
const utf8 = (latin1: string) => Buffer.from(latin1, 'latin1').toString('utf8')

function isTimestamp(text: string): boolean {
  const [, year, month, day] = FULL_TIME.exec(text) ?? []
  if (year === undefined) return false
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`)
  // The thirtieth of February rolls over into March.
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(`${year}-${month}-${day}`)
}

function readMessage(text: string, at: number): string {
  if (text[at] !== ' ') throw new SyslogError('structured_data_invalid', at)
  return utf8(text.slice(at + 1))
}

function readStructuredData(text: string, start: number): Pick<SyslogRecord, 'structuredData'> & { end: number } {
  const structuredData: SyslogRecord['structuredData'] = new Map()
  if (text[start] === '-') return { structuredData, end: start + 1 }
  let at = start
  const fail = (): never => {
    throw new SyslogError('structured_data_invalid', at)
  }
  const name = (stop: RegExp): string => {
    const rest = text.slice(at)
    const length = rest.search(stop)
    const found = length === -1 ? '' : rest.slice(0, length)
    if (!SD_NAME.test(found)) fail()
    at += found.length
    return found
  }
  if (text[at] !== '[') fail()
  while (text[at] === '[') {
    at++
    const id = name(/[ \]]/)
    if (!PRIVATE_SD_ID.test(id) && !REGISTERED_SD_IDS.has(id)) fail()
    if (structuredData.has(id)) fail()
    const parameters: [string, string][] = []
    while (text[at] === ' ') {
      at++
      const parameter = name(/=/)
      if (text.slice(at, at + 2) !== '="') fail()
      at += 2
      const value = /^(?:[^"\\\]]|\\[\s\S])*/.exec(text.slice(at))?.[0] ?? ''
      at += value.length
      if (text[at] !== '"') fail()
      at++
      // A backslash before any other character stands for itself (§6.3.3).
      parameters.push([parameter, utf8(value.replace(/\\(["\\\]])/g, '$1'))])
    }
    if (text[at] !== ']') fail()
    at++
    structuredData.set(id, parameters)
  }
  return { structuredData, end: at }
}
