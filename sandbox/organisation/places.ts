import { COUNTRIES, type Country } from './names.ts'

export interface Place {
  country: string
  /** IANA. */
  zone: string
  city: string
  street: string
  zip: string
  /** Networks (first two octets) of the office, and of providers for homes and hotels. */
  office: string
  homes: readonly string[]
}

const place = (
  country: string,
  zone: string,
  [city, street, zip]: [string, string, string],
  networks: string,
): Place => {
  const [office = '', ...homes] = networks.split(' ')
  return { country, zone, city, street, zip, office, homes }
}

/**
 * Where people work. Every address of these networks belongs to the country in the built-in country database (CC0,
 * from the registries' own data); they are only written into records, never contacted.
 */
export const PLACES: Readonly<Record<Country, Place>> = {
  DE: place(
    'DE',
    'Europe/Berlin',
    ['Kassel', 'Ahornweg', '34117'],
    '217.81 91.1 91.4 87.130 79.195 93.197 80.133 84.131',
  ),
  GB: place('GB', 'Europe/London', ['Leeds', 'Mill Lane', 'LS1 4DY'], '81.130 86.129 86.133 90.194 82.3 2.98 92.1'),
  US: place('US', 'America/New_York', ['Albany', 'Elm Avenue', '12207'], '50.130 24.2 73.3 98.194 71.195 68.35'),
  IN: place('IN', 'Asia/Kolkata', ['Pune', 'Station Road', '411001'], '122.162 49.34 106.194 117.195 157.35 59.91'),
  JP: place('JP', 'Asia/Tokyo', ['Sendai', 'Aoba-dori', '980-0021'], '153.130 126.2 60.66 118.4 220.3 125.195'),
  BR: place(
    'BR',
    'America/Sao_Paulo',
    ['Curitiba', 'Rua das Flores', '80020-000'],
    '201.1 187.2 189.4 179.130 179.133',
  ),
  PL: place('PL', 'Europe/Warsaw', ['Łódź', 'ulica Polna', '90-001'], '79.187 83.4 83.6 89.65 89.68'),
  ES: place('ES', 'Europe/Madrid', ['Bilbao', 'Calle Mayor', '48001'], '80.26 83.35 88.3 95.122 81.36'),
  BG: place('BG', 'Europe/Sofia', ['Пловдив', 'ул. Липа', '4000'], '79.100 95.42 95.43 46.10 151.251'),
}

/** Where nobody lives and works: an exit of an anonymising network, used by the person who takes data. */
export const ELSEWHERE: Place = place('RO', 'Europe/Bucharest', ['Cluj', '', ''], '86.122 5.14 82.78')

export const placeAt = (index: number): Place => PLACES[COUNTRIES[index % COUNTRIES.length] as Country]

/** The office's outgoing addresses: a handful, shared. */
export const officeAddress = ({ office }: Place, index: number): string => `${office}.10.${20 + (index % 4)}`

/** A home or hotel: stable per person. */
export const homeAddress = ({ homes }: Place, index: number): string => {
  const network = homes[index % homes.length] as string
  return `${network}.${1 + (Math.floor(index / 250) % 250)}.${2 + (index % 250)}`
}

const DAY_MS = 86_400_000
const offsets = new Map<string, number>()

/** How far the zone is ahead of UTC around noon of that UTC day, ms. */
export function zoneOffsetMs(zone: string, dayStartMs: number): number {
  const key = `${zone}/${dayStartMs}`
  const known = offsets.get(key)
  if (known !== undefined) return known
  const noon = new Date(dayStartMs + DAY_MS / 2)
  const wall = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' }).format(
    noon,
  )
  const offset = Date.parse(`${wall.replace(' ', 'T')}Z`) - noon.getTime()
  offsets.set(key, offset)
  return offset
}
