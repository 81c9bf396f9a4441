import { DEPARTMENTS, type Department } from './estate.ts'
import { asAccount, COUNTRIES, type Country, type Name, nameOf } from './names.ts'
import { PLACES } from './places.ts'
import { hashOf, permuted, Random } from './random.ts'

/** Addresses end in a reserved domain: nobody can be written to. RFC 2606. */
export const MAIL_DOMAIN = 'northbridge.example'

export type Role =
  | 'employee'
  /** Leaves, and takes data along. */
  | 'leaver-taking'
  /** Leaves, and reads only what they always read. */
  | 'leaver-ordinary'
  /** Leaves, and downloads some things to hand over. */
  | 'leaver-handing-over'
  /** Moves an archive in one day. */
  | 'migrating'
  /** Downloads a lot on the day of a release. */
  | 'releasing'
  /** Works a week from another country. */
  | 'travelling'

export interface Person {
  index: number
  name: Name
  /** E-mail address and UPN, lower case. */
  address: string
  employeeNumber: string
  userName: string
  department: Department
  country: Country
  /** IANA. */
  zone: string
  role: Role
  /** Works as an IAM user (named like the local part of the address) instead of through a role session. */
  iamUser: boolean
}

const NUMBERS = 8_000_000
/** Few enough that most activity is by role sessions, as it is in practice. */
const IAM_USERS = 0.08

/** The person at an index: a pure function of seed, index and cast, so that nobody has to be remembered. */
export function personAt(seed: number, index: number, cast: ReadonlyMap<number, Role>): Person {
  const country = COUNTRIES[index % COUNTRIES.length] as Country
  const name = nameOf(seed, country, Math.floor(index / COUNTRIES.length))
  const random = new Random(seed, hashOf('person'), index)
  const [first, last] = [asAccount(name.first), asAccount(name.last)]
  const number = 1_000_000 + permuted(index, NUMBERS, seed)
  const role = cast.get(index) ?? 'employee'
  const department = random.pick(DEPARTMENTS)
  return {
    index,
    name,
    address: `${first}.${last}@${MAIL_DOMAIN}`,
    employeeNumber: `E${number}${'KMRTX'[number % 5]}`,
    userName: `${last.slice(0, 6)}${first.slice(0, 1)}${index.toString(36).padStart(3, '0')}`,
    department: role === 'releasing' ? 'Engineering' : department,
    country,
    zone: PLACES[country].zone,
    role,
    iamUser: role === 'employee' && random.chance(IAM_USERS),
  }
}

/** Everything of a person by which they could be recognised; a privacy scan looks for each. First names alone are words. */
export function* personalStringsOf({
  name: { first, last },
  address,
  employeeNumber,
  userName,
}: Person): Generator<string> {
  yield `${first} ${last}`
  yield `${last} ${first}`
  yield `${last}, ${first}`
  yield last
  yield address
  yield address.slice(0, address.indexOf('@'))
  yield userName
  yield employeeNumber
}
