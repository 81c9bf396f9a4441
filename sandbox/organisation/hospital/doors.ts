import { hashOf, Random } from '../random.ts'
import { type HospitalFile, stored } from './files.ts'
import { type Employee, PARTS } from './people.ts'
import { clock, lateDays, type Story, worksOn } from './story.ts'

/** Days before the end on which the intruder comes back. */
const NIGHT = 3

const PRIORITY_DOORS = ['PHARMACY-1', 'RECORDS-2'] as const

interface Badge {
  day: string
  at: number
  employee: Employee
  door: string
  opened?: boolean
}

/** Who opened which door. */
export function badgeFile(story: Story): HospitalFile {
  const events = [...ordinaryBadges(story), ...lateBadges(story), ...badgesOfTheIntruder(story)]
    .sort((a, b) => a.day.localeCompare(b.day) || a.at - b.at || a.employee.login.localeCompare(b.employee.login))
    .map(({ day, at, employee, door, opened = true }) => ({
      UserId: employee.address,
      AssetId: door,
      AssetName: `Door ${door.toLowerCase()}`,
      EventTime: `${day}T${clock(at)}`,
      AccessStatus: opened ? 'Success' : 'Failed',
    }))
  return {
    kind: 'physical-badging',
    settings: { priorityAssets: [...PRIORITY_DOORS] },
    name: 'badges.json',
    bytes: Buffer.from(JSON.stringify(events)),
    expected: stored(events.length),
  }
}

function* ordinaryBadges(story: Story): Generator<Badge> {
  const { seed, staff, days } = story
  for (const [index, employee] of staff.entries()) {
    for (const day of days) {
      const random = new Random(seed, hashOf(`ward ${day}`), index)
      if (!worksOn(story, index, day, random)) continue
      const at = 6 * 3600 + random.whole(0, 3000)
      yield { day, at, employee, door: 'LOBBY-1' }
      yield { day, at: at + random.whole(60, 600), employee, door: `WARD-${employee.ward.toUpperCase()}` }
      // A badge that was held askew.
      if (random.chance(0.02)) yield { day, at: at + 700, employee, door: 'PHARMACY-1', opened: false }
    }
  }
}

/** Back from supper at doors that are the own ones, every evening. */
function* lateBadges(story: Story): Generator<Badge> {
  const employee = story.staff[PARTS.late] as Employee
  for (const day of lateDays(story)) {
    yield { day, at: 22 * 3600 + 900, employee, door: 'LOBBY-1' }
    yield { day, at: 22 * 3600 + 1_200, employee, door: `WARD-${employee.ward.toUpperCase()}` }
  }
}

function* badgesOfTheIntruder({ staff, days }: Story): Generator<Badge> {
  const employee = staff[PARTS.intruder] as Employee
  const night = { day: days.at(-NIGHT) as string, employee }
  yield { ...night, at: 23 * 3600, door: 'SIDE-4' }
  yield { ...night, at: 23 * 3600 + 240, door: 'ARCHIVE-1' }
  for (let n = 0; n < 4; n += 1) yield { ...night, at: 23 * 3600 + 400 + n * 20, door: 'PHARMACY-1', opened: false }
}
