import { median, type Pair, type PeerRuns, type Report } from './report.ts'

export interface Goal {
  measure: string
  /** Null where it was not measured. */
  value: number | null
  must: number
  aim: number | null
  /** Whether more of it is better, or less. */
  better: 'more' | 'less'
  digits: number
}

const medianOf = <T>(all: readonly T[], take: (each: T) => number): number | null =>
  all.length > 0 ? median(all.map(take)) : null
const over = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a / b)
const ofCopy = ({ copy, first }: Pair): number => copy / first.seconds

/** What the import has to reach and aims at, against what was measured. */
export function goals({ pairs, json, activities, peers }: Report): Goal[] {
  const named = (name: string) => pairs.filter((pair) => pair.name === name)
  const [log, ehr, large] = [named('log'), named('ehr'), named('large')]
  const log_ = medianOf(log, ofCopy)
  const again = log.flatMap(({ first, second }) => (second ? [second.seconds / first.seconds] : []))
  const [ehrRatio, largeRatio] = [medianOf(ehr, ofCopy), medianOf(large, ofCopy)]
  const peak = (of: readonly Pair[]) =>
    of.length > 0 ? Math.max(...of.map(({ first }) => first.peakRssBytes)) / 1e6 : null
  const jsonGoal = (measure: string, ratio: { bareSeconds: number; readSeconds: number } | undefined): Goal => ({
    measure,
    value: ratio ? ratio.bareSeconds / ratio.readSeconds : null,
    must: 0.4,
    aim: 0.7,
    better: 'more',
    digits: 2,
  })
  return [
    { measure: 'rows/s ÷ COPY', value: log_, must: 0.4, aim: 0.75, better: 'more', digits: 2 },
    ...peers.map((peer) => peerGoal(peer, log_)),
    {
      measure: 'same file again ÷ first import, time',
      value: again.length > 0 ? median(again) : null,
      must: 1,
      aim: 0.75,
      better: 'less',
      digits: 2,
    },
    {
      measure: `peak memory, ${rowsOf(log, 'the log')}, MB`,
      value: peak(log),
      must: 400,
      aim: 150,
      better: 'less',
      digits: 0,
    },
    {
      measure: `peak memory, ${rowsOf(large, 'the large file')}, MB`,
      value: peak(large),
      must: 400,
      aim: 150,
      better: 'less',
      digits: 0,
    },
    {
      // COPY slows down with size too, so that a large file may do better: that is no fault.
      measure: 'health records, ratio to COPY: the large file ÷ the smaller',
      value: over(largeRatio, ehrRatio),
      must: 0.85,
      aim: null,
      better: 'more',
      digits: 2,
    },
    jsonGoal('badging JSON, read and mapped ÷ bare JSON.parse', json?.badges),
    jsonGoal('NDJSON, read and mapped ÷ bare JSON.parse', json?.lines),
    {
      measure: 'activities in the history of a run, per million rows',
      value: activities ? activities.activities / Math.max(1, activities.rows / 1e6) : null,
      must: 100,
      aim: 20,
      better: 'less',
      digits: 0,
    },
  ]
}

/** Both as parts of the COPY of their own pair: what disturbs the machine is in neither. */
function peerGoal({ name, version, must, aim, runs }: PeerRuns, ours: number | null): Goal {
  const theirs = medianOf(runs, ({ copy, seconds }) => copy / seconds)
  const measure = `÷ ${name}${version === null ? ' (not installed)' : ` ${version}`}`
  return { measure, value: over(ours, theirs), must, aim, better: 'more', digits: 2 }
}

const rowsOf = ([first]: readonly Pair[], otherwise: string): string =>
  first ? `${first.rows.toLocaleString('en-GB')} rows` : otherwise

/** `0.40: met`; a dash where there is nothing to say. */
export function verdict(goal: Goal, bound: number | null): string {
  if (bound === null) return '–'
  const sign = goal.better === 'more' ? '≥' : '≤'
  if (goal.value === null) return `${sign} ${bound}`
  const isMet = goal.better === 'more' ? goal.value >= bound : goal.value <= bound
  return `${sign} ${bound}: ${isMet ? 'met' : '**not met**'}`
}
