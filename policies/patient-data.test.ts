import { sql } from 'kysely'
import { beforeAll, expect, test } from 'vitest'
import type { z } from 'zod'
import type { Connection } from '../db/connection.ts'
import { scoreOf, severityOf } from '../domain/score.ts'
import { addDays } from '../domain/window.ts'
import { testDatabase } from '../test/harness/database.ts'
import { recomputeRollups } from './compile.ts'
import { evaluatePeople } from './evaluate.ts'
import { EXAMPLE_DAY, insertActivities, insertLastDay, insertSomebody } from './examples.ts'
import { exampleActivity } from './indicator.ts'
import { definitionFrom, loadIndicators, loadTemplates, pinnedIndicators, syncIndicators } from './load.ts'
import { recomputeSeen } from './seen.ts'
import type { PolicyTemplate } from './template.ts'

type Lived = z.input<typeof exampleActivity>

const indicators = loadIndicators()
let t: Awaited<ReturnType<typeof testDatabase>>
beforeAll(async () => {
  t = await testDatabase()
  return () => t[Symbol.asyncDispose]()
})

class TakenBack extends Error {}

/** How a policy judges somebody who lived through these days, in a transaction that is taken back. */
async function judge(templateId: string, lived: readonly Lived[], { left = false } = {}) {
  const template = loadTemplates().get(templateId) as PolicyTemplate
  const definition = definitionFrom(template, indicators)
  let judged = { score: 0, severity: 'none', raised: false, found: [] as string[] }
  const live = async (tx: Connection) => {
    const person = await insertSomebody(tx)
    for (const each of lived) await insertActivities(tx, person.identityId, exampleActivity.parse(each))
    if (left) await insertLastDay(tx, person.identityId)
    await sql`create temp table lived_day on commit drop as
      select distinct identity_id, (at at time zone 'UTC')::date as day from activity
      where identity_id = ${person.identityId}`.execute(tx)
    await recomputeSeen(tx, 'pg_temp.lived_day')
    await syncIndicators(tx, indicators.values())
    const pinned = await pinnedIndicators(tx, definition)
    await recomputeRollups(tx, [...pinned.values()], 'pg_temp.lived_day')
    const asOf = new Date(`${EXAMPLE_DAY}T23:00:00Z`)
    const personIds = [person.personId]
    const [evaluation] = await evaluatePeople(tx, { definition, indicators: pinned, personIds, asOf })
    const score = scoreOf(evaluation?.insights ?? [])
    judged = {
      score,
      severity: severityOf(score, template.severityBands),
      raised: score >= template.raiseAt,
      found: [...new Set(evaluation?.insights.map(({ indicatorId }) => indicatorId))].sort(),
    }
    throw new TakenBack()
  }
  await t.db
    .transaction()
    .execute(live)
    .catch((error: unknown) => {
      if (!(error instanceof TakenBack)) throw error
    })
  return judged
}

const workingDays = Array.from({ length: 60 }, (_, n) => n).filter(
  (before) => ![0, 6].includes(new Date(`${addDays(EXAMPLE_DAY, -before)}T00:00:00Z`).getUTCDay()),
)
const chart: Lived = { verb: 'view', nativeEvent: 'Chart viewed', connectorKind: 'healthcare', relation: 'nobody' }
const onDays = (days: readonly number[], more: (day: number, n: number) => Lived): Lived[] =>
  days.map((daysBefore, n) => ({ ...chart, daysBefore, container: 'ward-3', ...more(daysBefore, n) }))

/** Dozens of patients of the own ward, on every working day. */
const ward = onDays(workingDays, (_, n) => ({ times: 22 + ((n * 7) % 15) }))
const misuse = (lived: readonly Lived[]) => judge('patient-data-misuse', [...ward, ...lived])

test.each<[string, Lived[]]>([
  ['a nurse on the ward', []],
  [
    'a nurse whose relative is on the ward for a week',
    onDays([7, 6, 5, 4, 3, 2, 1], () => ({ relation: 'household', sameObject: true, times: 4 })),
  ],
  ['a nurse who lives in a block of flats', onDays([40, 21, 2], () => ({ relation: 'household' }))],
  [
    'a nurse with a frequent name in a small town',
    [
      ...onDays([30, 26, 19, 12, 9, 5, 1], () => ({ relation: 'family_name' })),
      ...onDays([29, 22, 15, 8, 4], () => ({ relation: 'neighbour' })),
    ],
  ],
  [
    'a nurse of the night shift who breaks the glass for emergencies',
    onDays([12, 11, 10, 5, 4, 3], () => ({ hour: 2, times: 14, flags: ['break_the_glass'] })),
  ],
  ['somebody who looks at the own results now and then', onDays([50, 20, 3, 1], () => ({ relation: 'self' }))],
  [
    'a laboratory that works for every department',
    onDays(workingDays, (_, n) => ({ otherDepartment: true, times: 80 + ((n * 11) % 30) })),
  ],
  [
    'a float nurse who covers another ward for a week',
    onDays([7, 6, 5, 2, 1], () => ({ otherDepartment: true, times: 24 })),
  ],
  [
    'a nurse who reads up on patients before they are transferred, and after',
    onDays(workingDays, () => ({ otherDepartment: true, alsoTreatedIn: ['own'], times: 30 })),
  ],
  [
    'a nurse who is asked about patients of other wards now and then',
    onDays([30, 22, 15, 9, 4, 1], (_, n) => ({ otherDepartment: true, times: 2 + (n % 5) })),
  ],
  ['a registration desk', onDays(workingDays, (_, n) => ({ times: 240 + ((n * 13) % 60) }))],
  [
    'occupational health, whose patients are colleagues',
    onDays(workingDays, (_, n) => ({ relation: 'colleague', times: 5 + (n % 4) })),
  ],
  ['a ward that prints letters', onDays(workingDays, (_, n) => ({ verb: 'print', times: 12 + (n % 9) }))],
])('%s raises no alert', async (_, lived) => {
  expect(await misuse(lived)).toMatchObject({ raised: false })
})

test('somebody who looks up neighbours, colleagues and the family of an evening is found, and every reason is told', async () => {
  const evening: Lived[] = [
    { ...chart, hour: 20, relation: 'neighbour', otherDepartment: true, times: 4 },
    { ...chart, hour: 21, relation: 'colleague', otherDepartment: true, times: 3 },
    { ...chart, hour: 21, relation: 'family_name', otherDepartment: true, times: 2 },
    {
      ...chart,
      hour: 23,
      relation: 'household',
      otherDepartment: true,
      times: 6,
      flags: ['break_the_glass', 'break_the_glass_without_reason'],
    },
  ]
  const judged = await misuse(evening)
  expect(judged).toMatchObject({ raised: true, severity: 'high' })
  expect(judged.found).toEqual(
    expect.arrayContaining([
      'patient-break-glass-no-reason',
      'patient-colleague',
      'patient-family-name',
      'patient-household',
      'patient-neighbour',
      'patient-never-treated',
    ]),
  )
})

test('dozens of patients whom the department never treated are a reason by themselves, but no alert by themselves', async () => {
  const browsing: Lived = { ...chart, hour: 15, otherDepartment: true, times: 52 }
  expect(await misuse([browsing])).toMatchObject({ raised: false, found: ['patient-never-treated'] })
  const evening: Lived[] = [
    { ...browsing, hour: 20, relation: 'neighbour', times: 4 },
    { ...browsing, hour: 20, relation: 'colleague', times: 2 },
  ]
  // Of patients whom the own department treats too the same relations are not enough.
  const known = evening.map((each): Lived => ({ ...each, alsoTreatedIn: ['own'] }))
  expect(await misuse([browsing, ...evening])).toMatchObject({ raised: true })
  expect(await misuse(known)).toMatchObject({ raised: false })
})

test('one odd look alone is shown to nobody', async () => {
  for (const relation of ['household', 'neighbour', 'colleague', 'family_name', 'self'] as const)
    expect(await misuse([{ ...chart, relation }]), relation).toMatchObject({ raised: false })
})

test('who opens records after the last working day, or takes hundreds away, is found', async () => {
  const gone = await judge(
    'patient-data-misuse',
    [...ward.filter(({ daysBefore }) => daysBefore !== 0), { ...chart, times: 6 }],
    {
      left: true,
    },
  )
  expect(gone).toMatchObject({ raised: true, found: ['patient-after-termination'] })
  const exports: Lived = { ...chart, verb: 'export_report', nativeEvent: 'Record export', hour: 23, times: 300 }
  expect(await misuse([exports])).toMatchObject({ raised: true, severity: 'high' })
})

const door: Lived = { verb: 'physical_access', nativeEvent: 'Success', connectorKind: 'physical-badging' }
const office: Lived[] = workingDays.flatMap((daysBefore, n) => [
  { ...door, daysBefore, hour: 8, container: 'lobby', times: 2 },
  ...(n % 7 === 3
    ? [{ ...door, daysBefore, outcome: 'failure' as const, flags: ['priority_asset'], container: 'vault' }]
    : []),
])
const doors = (lived: readonly Lived[], left: boolean) =>
  judge('physical-access-departing-users', [...office.filter(({ daysBefore }) => daysBefore !== 0), ...lived], { left })

test('a leaver who opens the usual doors raises no alert; nor does a misread badge or a late evening', async () => {
  expect(await doors([], true)).toMatchObject({ raised: false })
  expect(await doors([{ ...door, container: 'lobby', hour: 23 }], false)).toMatchObject({ raised: false })
  expect(await doors([{ ...door, outcome: 'failure', flags: ['priority_asset'] }], false)).toMatchObject({
    raised: false,
  })
})

test('who enters after the last working day, at night and where never met before, is found', async () => {
  const night: Lived[] = [
    { ...door, container: 'cage-7', hour: 2, times: 2 },
    { ...door, container: 'vault', hour: 2, outcome: 'failure', flags: ['priority_asset'], times: 4 },
  ]
  expect(await doors(night, true)).toMatchObject({
    raised: true,
    severity: 'high',
    found: [
      'badge-after-termination',
      'badge-new-site-at-night',
      'badge-priority-refused',
      'badge-refused-after-termination',
    ],
  })
  // The same by somebody who stays is one refused door too many, not an alert about leaving.
  expect((await doors(night, false)).found).not.toContain('badge-after-termination')
})
