import { type Cannot, FAULTS, type FaultId, isCannot } from '../../sandbox/benches/bench.ts'
import { completed, type Problems, stopped, storedOnce, unless } from './expectations.ts'
import { killOnce } from './kill.ts'
import { type Rig, SMALL_LIMIT, START } from './rig.ts'

export interface Scenario {
  id: string
  title: string
  run(rig: Rig): Promise<Problems | Cannot>
}

/** Events of the time before a scenario begins, over four pages. */
const FIRST = 10
/** Longest wait that is sat out in the process; a longer one must reach the workflow. */
const LONG_WAIT_S = 600
const HOUR = 3_600
/** Further back than any first import of a live connector reaches. */
const BACKFILL_DAYS = 16
const SKEW_MS = 5 * 60_000

/** A fault in mid-pagination: what was there is stored in the end, once, and so is what comes after. */
const survives = (fault: FaultId, more: (rig: Rig, since: number) => Problems = () => []): Scenario => ({
  id: fault,
  title: FAULTS[fault],
  async run(rig) {
    const before = rig.stageMany(FIRST, 300)
    const since = rig.bench.requests.length
    const cannot = rig.bench.arm(fault, rig.elsewhere.url)
    if (cannot) return cannot
    const first = await rig.import()
    const problems = [
      ...unless(rig.bench.faults.pending === 0, 'the fault was never met: the connector read less than two pages'),
      ...more(rig, since),
    ]
    rig.wait(600)
    const after = rig.stageMany(2, 5)
    return [
      ...completed(first),
      ...problems,
      ...completed(await rig.import()),
      ...(await storedOnce(rig, [...before, ...after])),
    ]
  },
})

/** A refusal for good: the import stops at once, and goes on where it was when somebody has mended it. */
const stops = (fault: FaultId, codes: readonly string[]): Scenario => ({
  id: fault,
  title: FAULTS[fault],
  async run(rig) {
    const events = rig.stageMany(FIRST, 300)
    const since = rig.bench.requests.length
    const cannot = rig.bench.arm(fault, rig.elsewhere.url)
    if (cannot) return cannot
    const refused = await rig.import()
    const asked = rig.bench.requests.slice(since).length
    rig.bench.faults.clear()
    return [
      ...stopped(refused, codes, asked, 6),
      ...unless(rig.elsewhere.requests.length === 0, 'a request was sent to another host'),
      ...completed(await rig.import()),
      ...(await storedOnce(rig, events)),
    ]
  },
})

const retryAfter = survives('retry_after', (rig, since) => {
  const throttled = rig.bench.requests.findIndex(({ status }, index) => index >= since && status === 429)
  const next = rig.dataRequests(throttled + 1)[0]
  const waited = next ? next.at.getTime() - (rig.bench.requests[throttled]?.at.getTime() ?? 0) : 0
  return unless(waited >= 7_000, `it came back after ${waited} ms; the source had asked for 7 s`)
})

const longWait: Scenario = {
  id: 'long_wait',
  title: 'Retry-After of ten minutes reaches the workflow',
  async run(rig) {
    const events = rig.stageMany(FIRST, 300)
    const probe = rig.bench.arm('retry_after', rig.elsewhere.url)
    if (probe) return probe
    rig.bench.faults.clear()
    rig.bench.faults.next({
      match: ({ operation }) => rig.bench.data.includes(operation),
      skip: 1,
      status: 429,
      headers: { 'retry-after': String(LONG_WAIT_S) },
    })
    const outcome = await rig.import()
    const asked = outcome.retried.map(({ code, delayMs }) => `${code} ${delayMs}`)
    return [
      ...completed(outcome),
      ...unless(
        asked.length === 1 && asked[0] === `source_throttled ${LONG_WAIT_S * 1000}`,
        `the workflow was told [${asked.join(', ')}]; expected source_throttled ${LONG_WAIT_S * 1000}`,
      ),
      ...(await storedOnce(rig, events)),
    ]
  },
}

const killed: Scenario = {
  id: 'killed',
  title: 'worker killed after the rows, before the cursor',
  async run(rig) {
    const events = rig.stageMany(FIRST, 300)
    await using kill = await killOnce(rig.deps.db)
    const first = await rig.import()
    const met = await kill.met()
    rig.wait(600)
    return [
      ...unless(met, 'the kill was never met: nothing was committed'),
      ...completed(first),
      ...completed(await rig.import()),
      ...(await storedOnce(rig, events)),
    ]
  },
}

const lateWithinOverlap: Scenario = {
  id: 'late',
  title: 'event late, within the overlap',
  async run(rig) {
    const overlap = rig.definition.pull?.overlapSeconds ?? null
    if (overlap === null) return { cannot: 'there is no overlap: what is late comes by itself, or by the sweep' }
    const events = rig.stageMany(FIRST, 300)
    // Not before: a first import of many windows takes its time, and would meet what becomes readable meanwhile.
    const first = await rig.import()
    const readableAt = new Date(rig.clock.now().getTime() + 60_000)
    events.push(rig.stage(overlap / 2 / 60, { availableAt: readableAt, behindCursor: true }))
    rig.wait(300)
    return [...completed(first), ...completed(await rig.import()), ...(await storedOnce(rig, events))]
  },
}

const lateBeyondOverlap: Scenario = {
  id: 'very_late',
  title: 'event later than the overlap, found by the sweep',
  async run(rig) {
    const { sweep, overlapSeconds } = rig.definition.pull ?? {}
    if (!sweep) return { cannot: 'nothing can be later: see the declaration of this kind' }
    const events = rig.stageMany(FIRST, 300)
    const first = await rig.import()
    // Half of what the sweep reaches back beyond its own rhythm, and more than the overlap.
    const slackHours = (sweep.reachSeconds - sweep.everySeconds) / HOUR
    const lateHours = Math.max(slackHours / 2, ((overlapSeconds ?? 0) / HOUR) * 1.5)
    const readableAt = new Date(rig.clock.now().getTime() + 60_000)
    const late = rig.stage(lateHours * 60, { availableAt: readableAt, behindCursor: true })
    rig.wait(300)
    const second = await rig.import()
    await rig.settle()
    return [...completed(first), ...completed(second), ...(await storedOnce(rig, [...events, late]))]
  },
}

const cursorRejected: Scenario = {
  id: 'cursor_rejected',
  title: FAULTS.cursor_rejected,
  async run(rig) {
    const before = rig.stageMany(FIRST, 300)
    const first = await rig.import()
    const cannot = rig.bench.arm('cursor_rejected', rig.elsewhere.url)
    if (cannot) return cannot
    rig.wait(600)
    const after = rig.stageMany(4, 8)
    return [...completed(first), ...completed(await rig.import()), ...(await storedOnce(rig, [...before, ...after]))]
  },
}

const unknownType: Scenario = {
  id: 'unknown_type',
  title: 'unknown event type kept and counted',
  async run(rig) {
    if (!rig.definition.yields.activities) return { cannot: 'it tells what is so: there are no events' }
    const events = rig.stageMany(FIRST, 300)
    const unknown = rig.stage(30, { form: 'unknown_type' })
    const outcome = await rig.import()
    const as = await rig.storedAs(unknown)
    return [
      ...completed(outcome),
      ...(await storedOnce(rig, [...events, unknown])),
      ...unless(as !== undefined && as.nativeEvent !== '', 'it was not stored under its own name'),
    ]
  },
}

const oddFields: Scenario = {
  id: 'odd_fields',
  title: 'fields missing, null or of another type',
  async run(rig) {
    const events = rig.stageMany(FIRST, 300)
    const odd = [rig.stage(40, { form: 'field_missing' }), rig.stage(20, { form: 'field_odd' })]
    const outcome = await rig.import()
    const [stored, quarantined] = [await rig.stored(), await rig.quarantined()]
    const lost = odd.filter((marker) => !stored.has(marker) && !quarantined.has(marker))
    return [
      ...completed(outcome),
      ...(await storedOnce(rig, events)),
      ...unless(lost.length === 0, `${lost.length} odd records are neither stored nor quarantined`),
    ]
  },
}

const skew: Scenario = {
  id: 'clock_skew',
  title: 'clocks five minutes apart, either way',
  async run(rig) {
    const events = rig.stageMany(FIRST, 300)
    const problems: Problems = []
    for (const ahead of [SKEW_MS, -SKEW_MS]) {
      rig.bench.skew(-ahead)
      problems.push(...completed(await rig.import({ skewMs: ahead })))
      rig.wait(1_200)
      events.push(...rig.stageMany(3, 8))
    }
    rig.bench.skew(0)
    problems.push(...completed(await rig.import()))
    await rig.settle()
    return [...problems, ...(await storedOnce(rig, events))]
  },
}

const shortTokens: Scenario = {
  id: 'short_tokens',
  title: 'token ends within one import',
  async run(rig) {
    const { tokens } = rig.bench
    if (isCannot(tokens)) return tokens
    const events = rig.stageMany(FIRST * 3, 300)
    rig.bench.tick((tokens.lifetimeSeconds * 1000) / 6)
    const since = rig.bench.requests.length
    const outcome = await rig.import()
    rig.bench.tick(0)
    const refused = rig.dataRequests(since).filter(({ status }) => status === 401).length
    return [
      ...completed(outcome),
      ...unless(tokens.issued >= 2, 'the token was never renewed'),
      ...unless(
        !tokens.announcesLife || refused === 0,
        `${refused} requests were sent with a token known to have ended`,
      ),
      ...(await storedOnce(rig, events)),
    ]
  },
}

const limit: Scenario = {
  id: 'limit',
  title: 'requests below the documented limit',
  async run(rig) {
    if (isCannot(rig.bench.limit)) return rig.bench.limit
    const declared = rig.declaredLimit
    if (!declared) return ['the vendor documents a limit, but the kind declares none']
    const events = rig.stageMany(SMALL_LIMIT * rig.bench.pageEvents * 2, 300)
    const outcome = await rig.import()
    const times = rig.dataRequests().map(({ at }) => at.getTime())
    const windowMs = declared.perSeconds * 1000
    const most = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + windowMs).length))
    return [
      ...completed(outcome),
      ...unless(most <= SMALL_LIMIT, `${most} requests within ${declared.perSeconds} s; allowed were ${SMALL_LIMIT}`),
      ...(await storedOnce(rig, events)),
    ]
  },
}

const availability: Scenario = {
  id: 'availability',
  title: 'events readable later than they happen; the sweep ends complete',
  async run(rig) {
    const events: string[] = []
    const problems: Problems = []
    const overlapMinutes = (rig.definition.pull?.overlapSeconds ?? 0) / 60
    for (let round = 0; round < 4; round += 1) {
      for (const delayMinutes of [0, 3, 7, Math.max(9, overlapMinutes / 3)]) {
        const at = rig.clock.now().getTime() - (10 + delayMinutes) * 60_000
        events.push(
          rig.stage(10 + delayMinutes, {
            availableAt: new Date(at + delayMinutes * 60_000 + round * 120_000),
            behindCursor: delayMinutes > 7,
          }),
        )
      }
      problems.push(...completed(await rig.import()))
      rig.wait(600)
    }
    await rig.settle()
    return [...problems, ...(await storedOnce(rig, events))]
  },
}

const backfill: Scenario = {
  id: 'backfill',
  title: 'live import and backfill meet without a gap',
  async run(rig) {
    const { history } = rig.definition
    if (!history) {
      return rig.definition.yields.activities
        ? ['the kind has no history: a backfill cannot reach what was before the first import']
        : { cannot: 'it tells what is so, not what happened: the first import reads all of it' }
    }
    const pieceMs = Math.max(history.pieceHours, 24) * HOUR * 1000
    const reachDays = Math.min(history.reachDays === null ? BACKFILL_DAYS : history.reachDays - 1, BACKFILL_DAYS)
    const end = Math.ceil(START.getTime() / pieceMs) * pieceMs
    const from = end - reachDays * 86_400_000
    const minutes = (at: number) => (START.getTime() - at) / 60_000
    const events = rig.stageMany(FIRST, 300)
    // On both sides of every edge between two pieces.
    for (let edge = from; edge < START.getTime(); edge += pieceMs) {
      events.push(
        rig.stage(minutes(edge)),
        rig.stage(minutes(edge + pieceMs - 1_000) < 2 ? 2 : minutes(edge + pieceMs - 1_000)),
      )
    }
    const problems = completed(await rig.import())
    for (let at = from; at < end; at += pieceMs) {
      problems.push(...completed(await rig.import({ range: { from: new Date(at), to: new Date(at + pieceMs) } })))
      if (at === from) {
        rig.wait(300)
        events.push(rig.stage(2))
        problems.push(...completed(await rig.import()))
      }
    }
    await rig.settle()
    return [...problems, ...(await storedOnce(rig, events))]
  },
}

export const SCENARIOS: readonly Scenario[] = [
  retryAfter,
  longWait,
  survives('throttled'),
  survives('token_refused'),
  shortTokens,
  survives('server_error'),
  survives('outage'),
  survives('cut'),
  survives('garbage'),
  killed,
  survives('page_twice'),
  lateWithinOverlap,
  lateBeyondOverlap,
  cursorRejected,
  unknownType,
  oddFields,
  skew,
  stops('forbidden', ['permission_missing']),
  stops('credential_refused', ['credential_refused', 'credential_expired']),
  stops('redirect', ['settings_invalid', 'source_refused']),
  stops('foreign_link', ['source_refused', 'settings_invalid']),
  limit,
  availability,
  backfill,
]
