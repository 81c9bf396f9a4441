import type { ActorKind, Identifier } from '../../domain/signal.ts'
import { isAddress, type Json, list, object, text } from '../values.ts'

/** An account as one piece of evidence names it: by some of these. *Personal*. */
interface Account {
  upn?: string
  /** Object id in Entra. */
  entraId?: string
  sid?: string
  /** `domain\name`, or the name alone. */
  name?: string
}

export interface Named {
  person: Identifier
  kind: ActorKind
}

/** LocalSystem, LocalService, NetworkService. */
const SYSTEM_SIDS = new Set(['s-1-5-18', 's-1-5-19', 's-1-5-20'])
const SYSTEM_NAMES = new Set(['system', 'local service', 'network service'])

/**
 * Everybody whom the evidence names, each once. Who was logged on to a device counts only where nothing else names
 * anybody: that somebody was there is less than that somebody did it.
 */
export function peopleOf(evidence: readonly unknown[]): Named[] {
  const pieces = evidence.map(object)
  const acted = pieces.flatMap(actorsOf)
  const accounts = acted.length > 0 ? acted : pieces.flatMap(loggedOn)
  const hosts = new Set(pieces.flatMap(hostsOf))
  return joined(accounts).map((account) => namedOf(account, hosts))
}

/** Names that a device has as the domain of its own, local accounts. */
const hostsOf = (piece: Json): string[] =>
  [piece['hostName'], piece['deviceDnsName']].flatMap((name) => text(name)?.toLowerCase().split('.')[0] ?? [])

const typeOf = (piece: Json): string => text(piece['@odata.type'])?.split('.').pop() ?? ''

/** https://learn.microsoft.com/graph/api/resources/security-alertevidence */
function actorsOf(piece: Json): Account[] {
  const type = typeOf(piece)
  if (type === 'userEvidence' || type === 'processEvidence') return accountOf(object(piece['userAccount']))
  if (type !== 'mailboxEvidence') return []
  const upn = text(piece['upn']) ?? text(piece['primaryAddress'])
  return accountOf({ ...object(piece['userAccount']), ...(upn ? { userPrincipalName: upn } : {}) })
}

const loggedOn = (piece: Json): Account[] =>
  typeOf(piece) === 'deviceEvidence' ? list(piece['loggedOnUsers']).flatMap((user) => accountOf(object(user))) : []

function accountOf(user: Json): Account[] {
  const upn = text(user['userPrincipalName'])?.toLowerCase()
  const [entraId, sid, short, domain] = ['azureAdUserId', 'userSid', 'accountName', 'domainName'].map((member) =>
    text(user[member])?.toLowerCase(),
  )
  const name = short && domain ? `${domain}\\${short}` : short
  const account = {
    ...(upn && isAddress(upn) ? { upn } : {}),
    ...(entraId ? { entraId } : {}),
    ...(sid ? { sid } : {}),
    ...(name ? { name } : {}),
  }
  return Object.keys(account).length > 0 ? [account] : []
}

const KEYS = ['upn', 'entraId', 'sid', 'name'] as const

/** Pieces of evidence name one account in different ways: those that share one of them are the same. */
function joined(accounts: readonly Account[]): Account[] {
  const found: Account[] = []
  for (const account of accounts) {
    const same = found.filter((known) => KEYS.some((key) => known[key] !== undefined && known[key] === account[key]))
    const whole = Object.assign({}, account, ...same.reverse())
    const [first] = same.slice(-1)
    if (first) {
      found[found.indexOf(first)] = whole
      for (const other of same.slice(0, -1)) found.splice(found.indexOf(other), 1)
    } else found.push(whole)
  }
  return found
}

/** A local account keeps its device's name: `administrator` is another one on every device. */
function namedOf({ upn, entraId, sid, name }: Account, hosts: ReadonlySet<string>): Named {
  const [short = '', domain = ''] = name?.split('\\').reverse() ?? []
  const system = SYSTEM_SIDS.has(sid ?? '') || SYSTEM_NAMES.has(short) || short.endsWith('$')
  const kind = system ? 'service' : upn?.includes('#ext#') ? 'guest' : 'user'
  if (upn) return { person: { scheme: 'address', value: upn }, kind }
  if (entraId) return { person: { scheme: 'vendor_id', value: `entra:${entraId}` }, kind }
  if (name) return { person: { scheme: 'user_name', value: hosts.has(domain) ? name : short }, kind }
  return { person: { scheme: 'vendor_id', value: `sid:${sid}` }, kind }
}
