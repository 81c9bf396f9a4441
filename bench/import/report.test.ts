import { expect, test } from 'vitest'
import { goals, verdict } from './goals.ts'
import type { OneImport } from './one-import.ts'
import { type Pair, type PeerRuns, type Report, tableOf } from './report.ts'

const imported = (seconds: number, megabytes = 100): OneImport => ({
  spoolSeconds: 1,
  seconds,
  peakRssBytes: megabytes * 1e6,
  cpuSeconds: seconds,
  heartbeats: 1,
  balance: { received: 10, stored: 10, duplicate: 0, quarantined: 0, ignored: 0 },
})

const pair = (name: string, copy: number, first: OneImport, second: OneImport | null = null, rows = 10): Pair => ({
  name,
  rows,
  bytes: 1680,
  load: 0.5,
  copy,
  copyCpu: 1,
  importCpu: 1,
  first,
  second,
})

const peer = (name: string, changes: Partial<PeerRuns> = {}): PeerRuns => ({
  name,
  must: 3,
  aim: 6,
  version: '1.2',
  command: `${name} load`,
  trouble: null,
  runs: [],
  ...changes,
})

const NOTHING: Report = {
  server: { version: '18.4', settings: { fsync: 'on' } },
  copyClient: 'psql',
  pairs: [],
  json: null,
  activities: null,
  peers: [],
  failures: [],
}

const measured: Report = {
  ...NOTHING,
  pairs: [
    // Ratios to COPY 0.5, 0.4 and 0.8; again ÷ first 0.9 and 0.5.
    pair('log', 5, imported(10, 120), imported(9)),
    pair('log', 4, imported(10, 180), imported(5)),
    pair('log', 8, imported(10, 110)),
    pair('ehr', 5, imported(10)),
    pair('large', 20, imported(50, 410), null, 50),
  ],
  json: {
    lines: { megabytes: 10, bareSeconds: 1, readSeconds: 2 },
    badges: { megabytes: 10, bareSeconds: 1, readSeconds: 4 },
  },
  activities: { rows: 2_000_000, activities: 6, events: 40 },
  peers: [
    // A COPY of its own pair that took twice as long makes it no slower: 0.1 and 0.2 of COPY.
    peer('loader', {
      runs: [
        { copy: 5, seconds: 50, load: 0 },
        { copy: 10, seconds: 50, load: 0 },
      ],
    }),
    peer('absent', { version: null, command: null }),
    peer('broken', { trouble: 'it said | no\nand went' }),
  ],
  failures: [{ part: 'dirty', why: 'the import does not balance' }],
}

const of = (report: Report) => new Map(goals(report).map((goal) => [goal.measure, goal]))

test('each measure is the figure that its pairs make, held against its bounds', () => {
  const found = of(measured)
  const said = (measure: string) => {
    const goal = found.get(measure)
    if (!goal) throw new Error(`${measure} is not among ${[...found.keys()]}`)
    return [
      goal.value === null ? null : Number(goal.value.toFixed(4)),
      verdict(goal, goal.must),
      verdict(goal, goal.aim),
    ]
  }
  expect(said('rows/s ÷ COPY')).toEqual([0.5, '≥ 0.4: met', '≥ 0.75: **not met**'])
  expect(said('÷ loader 1.2')).toEqual([3.3333, '≥ 3: met', '≥ 6: **not met**'])
  expect(said('÷ absent (not installed)')).toEqual([null, '≥ 3', '≥ 6'])
  expect(said('÷ broken 1.2')).toEqual([null, '≥ 3', '≥ 6'])
  expect(said('same file again ÷ first import, time')).toEqual([0.7, '≤ 1: met', '≤ 0.75: met'])
  expect(said('peak memory, 10 rows, MB')).toEqual([180, '≤ 400: met', '≤ 150: **not met**'])
  expect(said('peak memory, 50 rows, MB')).toEqual([410, '≤ 400: **not met**', '≤ 150: **not met**'])
  // 0.4 of COPY where the smaller file has 0.5.
  expect(said('health records, ratio to COPY: the large file ÷ the smaller')).toEqual([0.8, '≥ 0.85: **not met**', '–'])
  expect(said('badging JSON, read and mapped ÷ bare JSON.parse')).toEqual([
    0.25,
    '≥ 0.4: **not met**',
    '≥ 0.7: **not met**',
  ])
  expect(said('NDJSON, read and mapped ÷ bare JSON.parse')).toEqual([0.5, '≥ 0.4: met', '≥ 0.7: **not met**'])
  expect(said('activities in the history of a run, per million rows')).toEqual([3, '≤ 100: met', '≤ 20: met'])
})

test('the table names what is not installed, what did not load, and what failed; the others stand beside', () => {
  const table = tableOf(measured)
  expect(table).toContain('| rows/s ÷ COPY | **0.50** | ≥ 0.4: met | ≥ 0.75: **not met** |')
  expect(table).toContain('| absent | not installed | 0 | – | – | – |')
  expect(table).toContain('| broken | 1.2 | 0 | – | – | it said \\| no and went |')
  expect(table).toContain('| loader | 1.2 | 2 | 50.00 | 0.15 | loader load |')
  expect(table).toContain('**dirty failed**: the import does not balance')
})

test('a run that measured nothing says so in every row', () => {
  for (const goal of goals(NOTHING)) expect(goal.value, goal.measure).toBeNull()
  expect(tableOf(NOTHING)).toContain('| rows/s ÷ COPY | not measured | ≥ 0.4 | ≥ 0.75 |')
})

test('a run of fewer than a million rows is not blown up to more activities', () => {
  const few = { ...NOTHING, activities: { rows: 10, activities: 4, events: 29 } }
  expect(of(few).get('activities in the history of a run, per million rows')?.value).toBe(4)
})
