import { PECULIARITIES, type Peculiarity } from '../../domain/peculiarities.ts'
import { completed, type Problems, stopped, storedOnce, unless } from './expectations.ts'
import type { Rig } from './rig.ts'
import type { Scenario } from './scenarios.ts'

/** Events of the time before a scenario begins: several of each stream of the source. */
const FIRST = 15
const DAY_S = 86_400

/** Scenarios of what only some sources do, by the declaration of the kind. */
const RUNS: Record<Peculiarity, (rig: Rig, bring: () => void) => Promise<Problems>> = {
  async subscription_missing(rig, bring) {
    bring()
    const first = await rig.import()
    rig.wait(600)
    // A source hands out what comes after its subscription was started.
    const events = rig.stageMany(FIRST, 5)
    rig.wait(300)
    return [...completed(first), ...completed(await rig.import()), ...(await storedOnce(rig, events))]
  },

  async subscription_disabled(rig, bring) {
    const events = rig.stageMany(FIRST, 300)
    bring()
    const refused = await rig.import()
    const read = (await rig.stored()).size
    rig.bench.recover?.()
    rig.wait(300)
    return [
      ...stopped(refused, ['subscription_disabled'], 0, 0),
      ...unless(
        read > FIRST / 2,
        `only ${read} of ${FIRST} events were read, although the other subscriptions are good`,
      ),
      ...unless(read < FIRST, 'the disabled subscription was never met'),
      ...completed(await rig.import()),
      ...(await storedOnce(rig, events)),
    ]
  },

  async content_listed_again(rig) {
    const events = rig.stageMany(FIRST, 90)
    const problems: Problems = []
    for (const seconds of [0, 600, DAY_S + 60]) {
      rig.wait(seconds)
      problems.push(...completed(await rig.import()))
    }
    const fetched = new Map<string, number>()
    for (const { path, operation } of rig.dataRequests()) {
      if (operation === rig.bench.contents) fetched.set(path, (fetched.get(path) ?? 0) + 1)
    }
    const again = [...fetched.values()].filter((times) => times > 1).length
    return [
      ...problems,
      ...unless(fetched.size > 0, 'no content was fetched'),
      ...unless(again === 0, `${again} of ${fetched.size} contents were fetched again`),
      ...(await storedOnce(rig, events)),
    ]
  },

  async content_gone(rig, bring) {
    const events = rig.stageMany(FIRST, 300)
    bring()
    const first = await rig.import()
    rig.wait(600)
    const second = await rig.import()
    const stored = await rig.stored()
    const lost = events.filter((marker) => !stored.has(marker))
    const told = await rig.quarantinedAs('content_gone')
    return [
      ...completed(first),
      ...completed(second),
      ...unless(rig.bench.faults.pending === 0, 'the content that is gone was never met'),
      ...unless(told === 1, `${told} rows in quarantine tell of the content that is gone; expected 1`),
      ...unless(lost.length <= 1, `${lost.length} of ${FIRST} events were never stored`),
      ...(await storedOnce(
        rig,
        events.filter((marker) => !lost.includes(marker)),
      )),
    ]
  },
}

export const PECULIAR: readonly (Scenario & { id: Peculiarity })[] = (Object.keys(RUNS) as Peculiarity[]).map((id) => ({
  id,
  title: PECULIARITIES[id],
  async run(rig) {
    const bring = rig.bench.peculiar?.[id]
    return bring ? RUNS[id](rig, bring) : ['the kind declares it, but its stand-in cannot be brought to do it']
  },
}))
