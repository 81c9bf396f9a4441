import { DAY_MS, HOUR_MS, type World } from './drafts.ts'
import { CROWN_JEWELS, objectBytes, objectKey } from './estate.ts'
import type { Person } from './people.ts'
import { ELSEWHERE, homeAddress, PLACES, zoneOffsetMs } from './places.ts'
import { hashOf, Random } from './random.ts'

/** An event of Dropbox's team log. */
export type TeamEvent = { timestamp: string } & Record<string, unknown>

/** Few use it, however large the organisation is: its log is one page. */
const MEMBERS = 24
const BUSY = 0.55
/** Events younger than this are not in the log yet. */
const LAG_MS = 15 * 60_000

/** Their weeks in a Dropbox team, oldest first: drafts and press kits, and what one of them carries out by night. */
export function teamEvents(world: World): TeamEvent[] {
  const last = world.calendar.until.getTime() - LAG_MS
  const acts = [...membersOf(world)].flatMap((index) => [
    ...ordinaryActs(world, index),
    ...(world.cast.get(index) === 'leaver-taking' ? carriedOut(world, index) : []),
  ])
  return acts
    .filter(({ at }) => at <= last)
    .sort((a, b) => a.at - b.at || a.person - b.person || a.number - b.number)
    .map((act) => eventOf(world, act))
}

interface Act {
  at: number
  person: number
  number: number
  type: string
  category: string
  /** Where the file lies. */
  path: string
  sizeBytes: number
  abroad?: boolean
  details?: Record<string, unknown>
}

/** People without a part, those who leave, and nobody else. */
function membersOf({ cast, people }: World): Set<number> {
  const members = new Set<number>()
  for (const [index, role] of cast) if (role === 'leaver-taking' || role === 'leaver-ordinary') members.add(index)
  for (let index = 0; index < people && members.size < MEMBERS; index += 1) if (!cast.has(index)) members.add(index)
  return members
}

const ORDINARY = [
  ['file_preview', 'file_operations'],
  ['file_preview', 'file_operations'],
  ['file_add', 'file_operations'],
  ['file_edit', 'file_operations'],
  ['file_download', 'file_operations'],
  ['shared_link_create', 'sharing'],
] as const

function* ordinaryActs(world: World, person: number): Generator<Act> {
  const { zone, name } = world.person(person)
  const { from, until } = world.calendar
  for (let day = from.getTime(); day < until.getTime(); day += DAY_MS) {
    const random = new Random(world.seed, hashOf('team'), person, Math.floor(day / DAY_MS))
    if ([0, 6].includes(new Date(day).getUTCDay()) || !random.chance(BUSY)) continue
    const [type, category] = random.pick(ORDINARY)
    const kind = random.pick(['Press kit', 'Drafts', 'Workshop'])
    const file = `${kind}-${random.whole(0, 40)}-${name.last}.${random.pick(['pdf', 'pptx', 'png'])}`
    const at = day + random.whole(9 * HOUR_MS, 17 * HOUR_MS) - zoneOffsetMs(zone, day)
    yield {
      at,
      person,
      number: 0,
      type,
      category,
      path: `/${kind}/${file}`,
      sizeBytes: random.whole(20_000, 9_000_000),
    }
  }
}

const [DESIGNS, PRICING] = CROWN_JEWELS
const CARRIED = 80
const LINKS = 4

/** Days after the notice, at night: what was read is put into an own folder, opened to anybody, and deleted later. */
function* carriedOut(world: World, person: number): Generator<Act> {
  const notice = world.calendar.notice.getTime()
  const sharing = { person, category: 'sharing', path: '/Moving', sizeBytes: 0, abroad: true }
  const file = (number: number, at: number, type: string): Act => {
    const bucket = number % 2 === 0 ? DESIGNS : PRICING
    const sizeBytes = objectBytes(bucket, new Random(world.seed, hashOf('carried'), number))
    const path = `/Moving/${objectKey(bucket, number).replaceAll('/', '-')}`
    return { at, person, number, type, category: 'file_operations', path, sizeBytes, abroad: true }
  }
  const night = notice + 3 * DAY_MS + 23 * HOUR_MS
  for (let number = 0; number < CARRIED; number += 1) yield file(number, night + number * 20_000, 'file_add')
  const opened = { '.tag': 'shared_link_change_visibility_details', new_value: { '.tag': 'public' } }
  for (let number = 0; number < LINKS; number += 1) {
    const at = night + HOUR_MS + number * 60_000
    const path = `/Moving/part ${number + 1}`
    yield { ...sharing, at, number, path, type: 'shared_link_create' }
    yield { ...sharing, at: at + 9_000, number, path, type: 'shared_link_change_visibility', details: opened }
  }
  const later = notice + 5 * DAY_MS + 22 * HOUR_MS
  for (let number = 0; number < CARRIED; number += 1)
    yield file(number, later + number * 5_000, 'file_permanently_delete')
}

function eventOf(world: World, act: Act): TeamEvent {
  const person = world.person(act.person)
  const who = memberOf(person)
  const ip = act.abroad ? homeAddress(ELSEWHERE, act.person) : homeAddress(PLACES[person.country], act.person)
  const name = act.path.slice(act.path.lastIndexOf('/') + 1)
  return {
    timestamp: `${new Date(act.at).toISOString().slice(0, 19)}Z`,
    event_category: { '.tag': act.category },
    event_type: { '.tag': act.type, description: act.type.replaceAll('_', ' ') },
    details: act.details ?? { '.tag': `${act.type}_details` },
    actor: { '.tag': 'user', user: who },
    origin: {
      geo_location: { ip_address: ip },
      access_method: { '.tag': 'end_user', end_user: { '.tag': 'web', session_id: `dbwsid:${act.person}` } },
    },
    involve_non_team_member: false,
    context: who,
    participants: [],
    assets: [
      {
        '.tag': act.category === 'sharing' ? 'folder' : 'file',
        path: {
          contextual: act.path,
          namespace_relative: {
            ns_id: String(7_000 + act.person),
            relative_path: act.path,
            is_shared_namespace: true,
          },
        },
        display_name: name,
        file_id: `id:${hashOf(`${act.person}${act.path}`).toString(36)}`,
        file_size: act.sizeBytes,
      },
    ],
  }
}

const memberOf = ({ index, name, address }: Person): Record<string, unknown> => ({
  '.tag': 'team_member',
  account_id: `dbid:AAH${index.toString(36).padStart(6, '0')}`,
  display_name: `${name.first} ${name.last}`,
  email: address,
  team_member_id: `dbmid:AAF${index.toString(36).padStart(6, '0')}`,
})
