import { afterAll, beforeAll, expect, test } from 'vitest'
import { prove } from './proof.ts'
import type { Scenario } from './scenario.ts'
import { type ActivityName, openStage, type Stage } from './stage.ts'

/** A test for each scenario, over a stage of the file's own. */
export function proveAll(scenarios: Partial<Record<ActivityName, Record<string, Scenario<any>>>>): void {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage()
  })
  afterAll(() => stage[Symbol.asyncDispose]())

  const all = Object.entries(scenarios).flatMap(([name, ways]) =>
    Object.entries(ways).map(([way, scenario]) => [name, way, scenario] as [ActivityName, string, Scenario]),
  )
  test.each(all)(
    '%s: %s: twice is once, and broken off it leaves nothing half',
    { timeout: 180_000 },
    async (...of) => {
      const [name, , scenario] = of
      expect(await prove(stage, name, scenario)).toBeGreaterThan(0)
    },
  )
}
