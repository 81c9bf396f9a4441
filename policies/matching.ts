import { UNTOLD } from '../db/activity-rows.ts'
import { extensionOf, type StagedActivity, sizeOf } from '../db/activity-writer.ts'
import { storable } from '../db/binary.ts'
import type { Connection } from '../db/connection.ts'
import type { Activity } from '../domain/signal.ts'
import { type ActiveIndicator, byRollup, OUTSIDERS, verbsOf } from './compile.ts'
import { POLICY_ZONE, type Predicate, zonesOf } from './indicator.ts'
import { LocalTimes } from './local-times.ts'

const DAY_MS = 86_400_000

/** Null where only the database can tell. */
type Test = (staged: StagedActivity) => boolean | null

/** What an activity counts for: places among the keys of a matcher, and the set with one more of them. */
interface HitSet {
  number: number
  places: readonly number[]
  with: Map<number, HitSet>
}

/**
 * Tells of an activity, before it is stored, for which rollups it counts, as the predicates' SQL tells of it when it is: see
 * decision 020. Of a predicate that compares the activity with what is known of people only the database can tell.
 */
export class Matcher {
  /** `rollup_key` of each rollup. */
  readonly keys: readonly string[]
  readonly #times: LocalTimes
  /** By what was done: tests that may hold, with their places. */
  readonly #tests = new Map<string, readonly [number, Test][]>()
  readonly #testsOf: (verb: string) => readonly [number, Test][]
  readonly #sets: HitSet[] = [{ number: 0, places: [], with: new Map() }]

  /** `connectorKind` is that of the connector that brings the activities. */
  constructor(indicators: readonly ActiveIndicator[], connectorKind: string) {
    const counted = [...byRollup(indicators)]
    this.keys = counted.map(([key]) => key)
    this.#times = new LocalTimes(counted.flatMap(([, { where, timeZone }]) => zonesOf(where, timeZone)))
    const tests = counted.map(([, { where, timeZone = 'UTC' }]) => ({
      verbs: verbsOf(where),
      test: testOf(where, { policyZone: timeZone, connectorKind, times: this.#times }),
    }))
    this.#testsOf = (verb) =>
      [...tests.entries()].flatMap(([place, { verbs, test }]): [number, Test][] =>
        verbs === null || verbs.has(verb) ? [[place, test]] : [],
      )
  }

  /** Whether the rollups are those of these indicators. */
  isOf(indicators: readonly ActiveIndicator[]): boolean {
    const keys = [...byRollup(indicators).keys()]
    return keys.length === this.keys.length && keys.every((key, place) => key === this.keys[place])
  }

  /** Whether an activity of that instant can be told of: `learn` its day first. */
  isReadyFor(at: Date): boolean {
    return this.#times.knows(Math.floor(at.getTime() / DAY_MS))
  }

  async learn(db: Connection, instants: Iterable<Date>): Promise<void> {
    const days = new Set<number>()
    for (const at of instants) days.add(Math.floor(at.getTime() / DAY_MS))
    await this.#times.learn(db, days)
  }

  /** A number for `placesOf`: 0 for nothing, `UNTOLD` where only the database can tell. */
  hitsOf(staged: StagedActivity): number {
    const { activity } = staged
    if (isOutsider(activity)) return 0
    let tests = this.#tests.get(activity.verb)
    if (tests === undefined) {
      tests = this.#testsOf(activity.verb)
      this.#tests.set(activity.verb, tests)
    }
    let hits = this.#sets[0] as HitSet
    for (let n = 0; n < tests.length; n += 1) {
      const [place, holds] = tests[n] as [number, Test]
      const held = holds(staged)
      if (held === null) return UNTOLD
      if (held) hits = hits.with.get(place) ?? this.#extended(hits, place)
    }
    return hits.number
  }

  #extended(hits: HitSet, place: number): HitSet {
    const made = { number: this.#sets.length, places: [...hits.places, place], with: new Map() }
    // More combinations than a number has room for: their activities are left to the database.
    if (made.number >= UNTOLD) return { ...made, number: UNTOLD }
    this.#sets.push(made)
    hits.with.set(place, made)
    return made
  }

  placesOf(hits: number): readonly number[] {
    return (this.#sets[hits] as HitSet).places
  }
}

const isOutsider = ({ actorKind }: Activity): boolean => (OUTSIDERS as readonly string[]).includes(actorKind)

interface Told {
  policyZone: string
  connectorKind: string
  times: LocalTimes
}

type TextField = Extract<Predicate, { in: string[] }>['field']

/** Texts of an activity as they are stored. */
const TEXT_OF: {
  readonly [field in Exclude<TextField, 'connector_kind' | 'relation'>]: (staged: StagedActivity) => string | null
} = {
  verb: ({ activity }) => activity.verb,
  native_event: ({ activity }) => storable(activity.nativeEvent),
  outcome: ({ activity }) => activity.outcome,
  actor_kind: ({ activity }) => activity.actorKind,
  audience_after: ({ activity }) => activity.audienceAfter ?? null,
  object_ext: extensionOf,
  origin_country: ({ origin }) => origin.country,
  severity: ({ activity }) => activity.finding?.severity ?? null,
  category: ({ activity }) => (activity.finding === undefined ? null : storable(activity.finding.category)),
  finding_state: ({ activity }) => activity.finding?.state ?? null,
}

/** As in SQL a comparison with what is absent is false. */
function testOf(predicate: Predicate, told: Told): Test {
  if ('all' in predicate) {
    const tests = predicate.all.map((part) => testOf(part, told))
    return (staged) => joined(tests, staged, false)
  }
  if ('any' in predicate) {
    const tests = predicate.any.map((part) => testOf(part, told))
    return (staged) => joined(tests, staged, true)
  }
  if ('not' in predicate) {
    const test = testOf(predicate.not, told)
    return (staged) => {
      const held = test(staged)
      return held === null ? null : !held
    }
  }
  const zoneOf = ({ zone }: { zone: string }) => (zone === POLICY_ZONE ? told.policyZone : zone)
  switch (predicate.field) {
    case 'relation':
    case 'other_department':
    case 'never_in_department':
      return ({ subject }) => (subject === undefined ? false : null)
    case 'after_last_day':
      return () => null
    case 'destination_is_external':
      return ({ activity }) => activity.destinationIsExternal === predicate.is
    case 'flags':
      return ({ activity: { flags } }) => flags?.some((flag) => storable(flag) === predicate.contains) ?? false
    case 'amount':
      return ({ activity: { amount } }) => amount !== undefined && amount >= predicate.atLeast
    case 'size_bytes':
      return ({ activity }) => (sizeOf(activity) ?? Number.NEGATIVE_INFINITY) >= predicate.atLeast
    case 'hour': {
      const { from, to } = predicate
      const zone = zoneOf(predicate)
      return ({ activity }) => {
        const hour = told.times.hourOf(zone, activity.at.getTime())
        if (hour === null) return null
        return from <= to ? hour >= from && hour < to : hour >= from || hour < to
      }
    }
    case 'weekday': {
      const zone = zoneOf(predicate)
      return ({ activity }) => {
        const weekday = told.times.weekdayOf(zone, activity.at.getTime())
        return weekday === null ? null : predicate.in.includes(weekday)
      }
    }
    case 'connector_kind': {
      const holds = predicate.in.includes(told.connectorKind)
      return () => holds
    }
    default: {
      const textOf = TEXT_OF[predicate.field]
      const texts: ReadonlySet<string | null> = new Set(predicate.in)
      return (staged) => texts.has(textOf(staged))
    }
  }
}

/** `decisive` when one of them is, else null when one is not known, else the other. */
function joined(tests: readonly Test[], staged: StagedActivity, decisive: boolean): boolean | null {
  let held: boolean | null = !decisive
  for (let n = 0; n < tests.length; n += 1) {
    const each = (tests[n] as Test)(staged)
    if (each === decisive) return decisive
    if (each === null) held = null
  }
  return held
}
