import path from 'node:path'
import { EncryptingCodec } from '../../../activities/payload-codec.ts'
import type { Hospital } from '../../../sandbox/organisation/hospital/index.ts'
import type { Organisation } from '../../../sandbox/organisation/index.ts'
import { personalStringsOf } from '../../../sandbox/organisation/people.ts'
import { postgresHome } from '../../embedded/postgres.ts'
import { count } from '../screen.ts'
import { mustBe, type Story } from '../story.ts'
import { lookAtApi } from './api.ts'
import { lookAtDatabase } from './database.ts'
import { lookAtFiles } from './files.ts'
import { Looking } from './looking.ts'
import { type Needle, Needles } from './needles.ts'
import { lookAtTemporal } from './temporal.ts'

/** Looks on every surface for anybody of the generated people; one hit is a defect of the platform. */
export async function scan(story: Story): Promise<void> {
  const { screen, installation, staff, home, report, outside } = story
  const people = home.plot.people
  const looking = await screen.step(
    'Privacy scan',
    async (line) => {
      line.show('gathering what to look for')
      const needles = [...needlesOf(outside.organisation, people), ...hospitalNeedles(outside.hospital)]
      const looking = new Looking(new Needles(needles))
      const { deps } = installation.platform
      line.show('the API as every role')
      const readers = Object.entries(staff).map(([role, { token }]) => ({ role, token }))
      await lookAtApi(installation.url, readers, looking)
      line.show("Temporal's histories and visibility")
      await lookAtTemporal(deps.temporal, new EncryptingCodec(installation.ring), looking)
      line.show('the rows of the database')
      await lookAtDatabase(installation.databaseUrl, looking)
      line.show('every file')
      deps.log.flush()
      await lookAtFiles(home.folder, surfaceIn(home.folder), looking)
      const cluster = postgresHome(home.folder)
      if (!cluster.startsWith(home.folder)) await lookAtFiles(cluster, () => 'PostgreSQL files', looking)
      return looking
    },
    ({ totals, hits }) => {
      const bytes = [...totals.values()].reduce((sum, each) => sum + each.bytes, 0)
      return `${count(Math.round(bytes / 1e6))} MB on ${totals.size} surfaces, ${hits.length === 0 ? 'nobody is named' : `${hits.length} HITS`}`
    },
  )
  const surfaces = [...looking.totals.values()].sort((a, b) => (a.surface < b.surface ? -1 : 1))
  report.privacyScan = { needles: people + outside.hospital.people, surfaces, hits: looking.hits }
  for (const { surface, items, bytes, hits } of surfaces) {
    screen.note(
      `${surface.padEnd(30)} ${count(items).padStart(7)}   ${size(bytes).padStart(9)}   ${hits === 0 ? 'clean' : `${hits} HITS`}`,
    )
  }
  const [first] = looking.hits
  mustBe(first === undefined, `${first?.what} was found in ${first?.surface}: ${first?.place}`)
}

const size = (bytes: number): string =>
  bytes < 1e6 ? `${count(Math.ceil(bytes / 1e3))} KB` : `${count(Math.round(bytes / 1e6))} MB`

/** Whoever's last name, account names or number is found has been named; longer forms contain one of them. */
export function* needlesOf(organisation: Organisation, people: number): Generator<Needle> {
  for (let index = 0; index < people; index += 1) {
    const all = [...new Set(personalStringsOf(organisation.person(index)))]
    for (const text of all) {
      if (all.some((other) => other !== text && text.includes(other))) continue
      yield { text, what: `a name, address or number of generated person ${index}` }
    }
  }
}

export function* hospitalNeedles(hospital: Hospital): Generator<Needle> {
  for (const text of new Set(hospital.staffStrings()))
    yield { text, what: "a name, address or account of the hospital's staff" }
  for (const text of new Set(hospital.patientStrings())) yield { text, what: 'a name or number of a patient' }
}

const surfaceIn =
  (folder: string) =>
  (file: string): string => {
    const [top = ''] = path.relative(folder, file).split(path.sep)
    if (file.endsWith('.log')) return 'logs'
    return (
      { siem: 'exports as received', postgres: 'PostgreSQL files', temporal: 'Temporal files', spool: 'spool' }[top] ??
      'other files'
    )
  }
