import { isIPv4 } from 'node:net'

/** ArcSight Common Event Format, unescaped. */
export interface CefRecord {
  /** 0 (spec 0.1) or 1 (spec 1.x) */
  version: number
  vendor: string
  product: string
  deviceVersion: string
  eventClassId: string
  name: string
  /** 0..10 or a word, as sent. */
  severity: string
  extension: Map<string, string>
}

export type CefFault =
  | 'extension_invalid'
  | 'header_escape_invalid'
  | 'header_incomplete'
  | 'header_too_long'
  | 'key_repeated'
  | 'label_missing'
  | 'severity_invalid'
  | 'value_escape_invalid'
  | 'value_invalid'
  | 'value_too_long'
  | 'version_unknown'

/** `where` names the header field or the key, never its value. */
export class CefError extends Error {
  readonly code: CefFault
  readonly where: string

  constructor(code: CefFault, where: string) {
    super(`${code}: ${where}`)
    this.name = 'CefError'
    this.code = code
    this.where = where
  }
}

/** Header fields after the version with their greatest length in characters. */
const HEADER = [
  ['vendor', 63],
  ['product', 63],
  ['deviceVersion', 31],
  ['eventClassId', 1023],
  ['name', 512],
  ['severity', 9],
] as const

/** Greatest lengths in characters. Source: "ArcSight Common Event Format (CEF) Implementation Standard", dictionary. */
const MAX_LENGTH: Record<string, number> = {
  act: 63,
  app: 31,
  cat: 1023,
  deviceExternalId: 255,
  dhost: 1023,
  duid: 1023,
  duser: 1023,
  dvchost: 100,
  externalId: 40,
  fileName: 1023,
  filePath: 1023,
  flexString1: 1023,
  flexString2: 1023,
  fname: 1023,
  msg: 1023,
  outcome: 63,
  reason: 1023,
  request: 1023,
  shost: 1023,
  suid: 1023,
  suser: 1023,
}
const CUSTOM_STRING_LENGTH = 4000
const INTEGERS = new Set(['cnt', 'fsize', 'in', 'out', 'cn1', 'cn2', 'cn3'])
const TIMES = new Set(['rt', 'start', 'end', 'art', 'deviceCustomDate1', 'deviceCustomDate2'])
const IPV4 = new Set(['src', 'dst', 'dvc'])
const CUSTOM = /^(?:cs[1-6]|cn[1-3]|cfp[1-4]|c6a[1-4]|flexString[12]|deviceCustomDate[12])$/
const WORDS = new Set(['Unknown', 'Low', 'Medium', 'High', 'Very-High'])
const TIME = /^(?:\d{1,16}|[A-Z][a-z]{2} \d\d \d{4} \d\d:\d\d:\d\d(?:\.\d{3})?(?: [A-Za-z0-9:+/_-]+)?)$/

/**
 * Parses `CEF:0|…` strictly. An equals sign that is not escaped is taken for the end of a key, as every consumer does: so
 * text that smuggles a key in shows as that key here too. Throws CefError.
 */
export function parseCef(text: string): CefRecord {
  const version = /^CEF:([01])\|/.exec(text)?.[1]
  if (version === undefined) throw new CefError('version_unknown', 'version')
  let at = 'CEF:0|'.length
  const header = { vendor: '', product: '', deviceVersion: '', eventClassId: '', name: '', severity: '' }
  for (const [field, most] of HEADER) {
    const raw = /^(?:[^\\|\r\n]|\\[^\r\n])*/.exec(text.slice(at))?.[0] ?? ''
    at += raw.length
    if (text[at] !== '|') throw new CefError('header_incomplete', field)
    at++
    if (/\\[^\\|]/.test(raw.replaceAll('\\\\', ''))) throw new CefError('header_escape_invalid', field)
    const value = raw.replace(/\\([\\|])/g, '$1')
    if (value === '') throw new CefError('header_incomplete', field)
    if (value.length > most) throw new CefError('header_too_long', field)
    header[field] = value
  }
  if (!WORDS.has(header.severity) && !/^(?:\d|10)$/.test(header.severity)) {
    throw new CefError('severity_invalid', 'severity')
  }
  return { version: Number(version), ...header, extension: readExtension(text.slice(at)) }
}

function readExtension(text: string): Map<string, string> {
  const extension = new Map<string, string>()
  if (text === '') return extension
  const keys = [...text.matchAll(/(?:^| )([A-Za-z0-9_.[\]]+)=/g)]
  if (keys[0]?.index !== 0 || text.startsWith(' ')) throw new CefError('extension_invalid', 'first key')
  for (const [index, match] of keys.entries()) {
    const [whole, key = ''] = match
    const raw = text.slice(match.index + whole.length, keys[index + 1]?.index)
    if (extension.has(key)) throw new CefError('key_repeated', key)
    extension.set(key, readValue(key, raw))
  }
  for (const key of extension.keys()) {
    if (CUSTOM.test(key) && !extension.has(`${key}Label`)) throw new CefError('label_missing', key)
  }
  return extension
}

function readValue(key: string, raw: string): string {
  const bare = raw.replace(/\\[\\=nr]/g, '')
  // What is left of a backslash is an escape that the format does not know; = and line ends have to be escaped.
  if (/[\\=\r\n]/.test(bare) || raw.startsWith(' ') || raw.endsWith(' '))
    throw new CefError('value_escape_invalid', key)
  const value = raw.replace(/\\([\\=nr])/g, (_, c: string) => (c === 'n' ? '\n' : c === 'r' ? '\r' : c))
  const most = MAX_LENGTH[key] ?? (/^cs[1-6]$/.test(key) ? CUSTOM_STRING_LENGTH : Number.POSITIVE_INFINITY)
  if (value.length > most) throw new CefError('value_too_long', key)
  const wrong =
    (INTEGERS.has(key) && !/^-?\d+$/.test(value)) ||
    (TIMES.has(key) && !TIME.test(value)) ||
    (IPV4.has(key) && !isIPv4(value))
  if (wrong) throw new CefError('value_invalid', key)
  return value
}
