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
    const address = addressOf(ip)
    const known = recent.get(address)
    if (known) return known
    const earlier = before.get(address)
    if (earlier) return remember(address, earlier)
    // Two shapes in use: a flat `country_code`, and MaxMind's own nested record.
    const found = reader.get(ip) as (CountryResponse & { country_code?: string }) | null
    return remember(address, {
      network: networkOf(ip),
      country: found?.country_code ?? found?.country?.iso_code ?? null,
    })
  }
}

/** What an address is remembered by: an IPv4 one by its number, which is found sooner than a text. */
function addressOf(ip: string): string | number {
  const number = address4Of(ip)
  return number === -1 ? ip : number | 0
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
