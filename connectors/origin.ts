import { createRequire } from 'node:module'
import { isIPv4 } from 'node:net'
import { type CountryResponse, open, type Reader, type Response } from 'maxmind'
import { address4Of } from '../db/address.ts'
import { ownText } from '../domain/own-text.ts'

export interface Origin {
  /** The network an address belongs to, coarse enough that a lease change is no new network: /16, /32 for IPv6. */
  network: string | null
  /** ISO 3166 alpha-2; null when the database does not know the address. */
  country: string | null
}

export type OriginLookup = (ip: string | undefined) => Origin

/** Of an IPv4 network. */
const NETWORK_BITS = 16
const NOWHERE: Origin = { network: null, country: null }
/** Distinct addresses remembered, twice: those met since the map was last full, and those of the time before. */
const CACHE_ENTRIES = 30_000

/** Built-in country database: CC0, from the registries' own data. `OPENIRM_GEOIP_DB` names another in MaxMind's format. */
const defaultDatabase = (): string =>
  createRequire(import.meta.url).resolve('@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb')

/** Opens the country database once; the answer is a pure function of the address. */
export async function openOriginLookup(
  file = process.env['OPENIRM_GEOIP_DB'] ?? defaultDatabase(),
): Promise<OriginLookup> {
  const reader: Reader<Response> = await open(file)
  /** By their first two bytes, the IPv4 networks that lie in one country as a whole: most of them. */
  const networks: (Origin | undefined)[] = new Array(2 ** NETWORK_BITS)
  let recent = new Map<string | number, Origin>()
  let before = new Map<string | number, Origin>()
  const remember = (address: string | number, origin: Origin): Origin => {
    if (recent.size >= CACHE_ENTRIES) {
      before = recent
      recent = new Map()
    }
    recent.set(typeof address === 'string' ? ownText(address) : address, origin)
    return origin
  }
  return (ip) => {
    if (ip === undefined) return NOWHERE
    const number = address4Of(ip)
    const whole = number === -1 ? undefined : networks[number >>> NETWORK_BITS]
    if (whole) return whole
    // An IPv4 address is remembered by its number, which is found sooner than a text.
    const address = number === -1 ? ip : number | 0
    const known = recent.get(address)
    if (known) return known
    const earlier = before.get(address)
    if (earlier) return remember(address, earlier)
    // Two shapes in use: a flat `country_code`, and MaxMind's own nested record.
    const [answer, bits] = reader.getWithPrefixLength(ip)
    const found = answer as (CountryResponse & { country_code?: string }) | null
    const origin = { network: networkOf(ip), country: found?.country_code ?? found?.country?.iso_code ?? null }
    if (number === -1 || bits > NETWORK_BITS) return remember(address, origin)
    networks[number >>> NETWORK_BITS] = origin
    return origin
  }
}

/** The first 16 bits of an IPv4 address, the first 32 of an IPv6 one, in CIDR notation. */
export function networkOf(ip: string): string {
  if (isIPv4(ip)) return `${ip.split('.').slice(0, 2).join('.')}.0.0/16`
  const mapped = ip.match(/^::ffff:(\d+\.\d+\.\d+\.\d+)$/i)
  if (mapped) return networkOf(mapped[1] as string)
  const [head = ''] = ip.split('::')
  const groups = head.split(':').filter(Boolean)
  return `${[groups[0] ?? '0', groups[1] ?? '0'].join(':')}::/32`
}
