import type { HospitalFile } from '../../../sandbox/organisation/hospital/index.ts'
import { type Balance, type HrFile, RENAMED_SCENARIO } from '../../../sandbox/organisation/index.ts'
import { all, answerOf, asFile, ifMatch, once, until, type Wire } from '../asking.ts'
import { count, type Line, some } from '../screen.ts'
import { mustBe, type Story } from '../story.ts'
import { SOURCES, type SourceKey } from '../tales/index.ts'
import type { Connectors } from './connecting.ts'

const COUNTS = ['received', 'stored', 'duplicate', 'quarantined', 'ignored'] as const
const WITHIN_MS = 2 * 3_600_000

/** Brings everything in, source beside source: files of HR and hospital, trail and team log, and the row that a corrected mapping rescues. */
export async function importAll(story: Story, connectors: Connectors): Promise<void> {
  const { screen, outside } = story
  screen.chapter('Import', 'every row is stored, known already, in quarantine or ignored; the sums have to match')
  const [profiles, changes, broken] = outside.organisation.hrFiles() as [HrFile, HrFile, HrFile]
  const { hr, accesses, badges } = outside.hospital
  const northbridge = async () => {
    await upload(story, connectors.profiles, 'People', profiles)
    await upload(story, connectors.changes, 'Resignations and changes', changes)
    await upload(story, connectors.changes, 'A file with broken rows', broken, () =>
      quarantined(story, connectors.changes, broken),
    )
    await mendMapping(story, connectors.changes)
  }
  const pulled = async () => {
    await readTrail(story, connectors.trail)
    await readTeamLog(story, connectors.files)
  }
  const hospital = async () => {
    await upload(story, connectors.records, 'Health records', accesses)
    await upload(story, connectors.doors, 'Doors', badges)
    await upload(story, connectors.staff, "The hospital's staff", hr)
  }
  await Promise.all([northbridge(), pulled(), hospital()])
  await reportImports(story, connectors)
}

const balanceOf = (row: Balance): Balance => {
  const { received, stored, duplicate, quarantined, ignored } = row
  return { received, stored, duplicate, quarantined, ignored }
}

const inWords = (balance: Balance): string => {
  const parts = COUNTS.slice(1).flatMap((name) => (balance[name] > 0 ? [`${count(balance[name])} ${name}`] : []))
  return `${count(balance.received)} received = ${parts.join(' + ') || 'nothing'}`
}

const same = (a: Balance, b: Balance): boolean => COUNTS.every((name) => a[name] === b[name])

/** Waits for the end of an import; it has to be a good one. */
async function ended(story: Story, importId: string, line?: Line, expected?: number): Promise<Wire['Import']> {
  const { ask } = story.staff.operator
  const row = await until(
    async () => {
      const found = await answerOf(() => ask.GET('/imports/{importId}', { params: { path: { importId } } }))
      if (expected) line?.progress(found.received, expected, 'records')
      return found
    },
    ({ state }) => state !== 'running',
    { what: 'the end of an import', withinMs: WITHIN_MS },
  )
  mustBe(
    row.state === 'completed',
    `the import ${row.id} is ${row.state}: ${row.error ? `${row.error.detail} (${row.error.code})` : 'no reason given'}`,
  )
  return row
}

async function upload(
  story: Story,
  connectorId: string,
  title: string,
  file: HrFile | HospitalFile,
  beneath: () => Promise<string[]> = async () => [],
): Promise<void> {
  const { ask } = story.staff.operator
  await story.screen.step(
    title,
    async (line) => {
      const params = { path: { connectorId }, query: { name: file.name }, ...once(`upload.${file.name}`) }
      const taken = await answerOf(() => ask.POST('/connectors/{connectorId}/files', { params, ...asFile(file.bytes) }))
      const row = await ended(story, taken.id, line, file.expected.received)
      mustBe(same(row, file.expected), `${file.name}: ${inWords(row)}, expected was ${inWords(file.expected)}`)
      return { row, notes: await beneath() }
    },
    ({ row, notes }) => [inWords(row), ...notes],
  )
}

/** Broken rows wait with line, cell and reason; what they hold is shown by its shape alone. */
async function quarantined(story: Story, connectorId: string, broken: HrFile): Promise<string[]> {
  const { ask } = story.staff.admin
  const rows = await all((cursor) =>
    ask.GET('/quarantined-rows', { params: { query: { connectorId, ...(cursor ? { cursor } : {}) } } }),
  )
  const codes = rows.map(({ code }) => code)
  mustBe(
    [...codes].sort().join() === [...broken.expectedCodes].sort().join(),
    `in quarantine are ${codes.join(', ')}; expected were ${broken.expectedCodes.join(', ')}`,
  )
  const { id, line } = rows.find(({ code }) => code === 'date_invalid') as Wire['QuarantinedRow']
  const read = await answerOf(() => ask.GET('/quarantined-rows/{rowId}', { params: { path: { rowId: id } } }))
  const reasons = [...new Set(codes)].map((code) => `${code} ×${codes.filter((each) => each === code).length}`)
  return [
    `in quarantine: ${reasons.join(', ')}`,
    `line ${line}, cell ${read.cell}: expected ${read.expected}; the row is shown by its shape only`,
  ]
}

/** HR calls its review by another name; once the mapping knows it, the row that was turned away comes in. */
async function mendMapping(story: Story, connectorId: string): Promise<void> {
  const { ask } = story.staff.admin
  const path = { connectorId }
  const redrive = await story.screen.step(
    'Mend the mapping, re-drive',
    async () => {
      const connector = await answerOf(() => ask.GET('/connectors/{connectorId}', { params: { path } }))
      const { scenarios, ...others } = connector.settings as unknown as HrFile['scenarioConfig']
      if (!scenarios.some(({ identifierValue }) => identifierValue === RENAMED_SCENARIO.identifierValue)) {
        const settings = { ...others, scenarios: [...scenarios, RENAMED_SCENARIO] }
        const params = { path, ...ifMatch(connector.revision) }
        await answerOf(() => ask.PATCH('/connectors/{connectorId}', { params, body: { settings } }))
      }
      const known = (await importsOf(story, connectorId)).find(({ source }) => source === 'redrive')
      if (known) return ended(story, known.id)
      const asked = await answerOf(() =>
        ask.POST('/connectors/{connectorId}/quarantined-rows/redrive', {
          params: { path, ...once('redrive') },
          body: { code: 'scenario_unknown' },
        }),
      )
      return ended(story, asked.importId)
    },
    inWords,
  )
  const expected = { received: 1, stored: 1, duplicate: 0, quarantined: 0, ignored: 0 }
  mustBe(same(redrive, expected), `the re-drive: ${inWords(redrive)}, expected was ${inWords(expected)}`)
}

const importsOf = (story: Story, connectorId: string): Promise<Wire['Import'][]> =>
  all((cursor) =>
    story.staff.operator.ask.GET('/imports', { params: { query: { connectorId, ...(cursor ? { cursor } : {}) } } }),
  )

async function readTrail(story: Story, connectorId: string): Promise<void> {
  const expected = story.outside.organisation.expectedTrail()
  await story.screen.step(
    `${SOURCES.trail}, six weeks`,
    async (line) => {
      const sum = await pullOnce(story, connectorId, 'import.trail', line, expected.received)
      mustBe(same(sum, expected), `${SOURCES.trail}: ${inWords(sum)}, expected was ${inWords(expected)}`)
      return sum
    },
    (sum) => [
      inWords(sum),
      `${some(expected.objects, 'log file')}, one cut short on its way: quarantined, named, and nothing else was lost`,
    ],
  )
}

/** The team log is read again where its source has forgotten how far it was: what comes twice is known already. */
async function readTeamLog(story: Story, connectorId: string): Promise<void> {
  const { events } = story.outside.dropbox
  await story.screen.step(
    `${SOURCES.files}, six weeks`,
    async (line) => {
      const sum = await pullOnce(story, connectorId, 'import.team-log', line, events)
      mustBe(
        sum.stored === events && sum.quarantined + sum.ignored === 0,
        `${SOURCES.files}: ${inWords(sum)}, expected were ${some(events, 'stored event')}`,
      )
      return sum
    },
    inWords,
  )
}

/** Asks for an import. A scheduled run may have come in between: together they have read everything once. */
async function pullOnce(
  story: Story,
  connectorId: string,
  act: string,
  line: Line,
  expected: number,
): Promise<Balance> {
  const { ask } = story.staff.operator
  const taken = await answerOf(() =>
    ask.POST('/connectors/{connectorId}/imports', { params: { path: { connectorId }, ...once(act) } }),
  )
  await ended(story, taken.id, line, expected)
  const rows = await until(
    () => importsOf(story, connectorId),
    (found) => found.every(({ state }) => state !== 'running'),
    { what: 'the end of the imports', withinMs: WITHIN_MS },
  )
  const sum = { received: 0, stored: 0, duplicate: 0, quarantined: 0, ignored: 0 }
  for (const row of rows) for (const name of COUNTS) sum[name] += row[name]
  return sum
}

async function reportImports(story: Story, connectors: Connectors): Promise<void> {
  story.report.imports = []
  for (const [key, connectorId] of Object.entries(connectors)) {
    const rows = (await importsOf(story, connectorId)).filter(({ received, duplicate }) => received > duplicate)
    for (const row of rows.reverse()) {
      const connector = SOURCES[key as SourceKey]
      story.report.imports.push({ connector, source: row.source, state: row.state, ...balanceOf(row) })
    }
  }
}
