import { expect, test } from 'vitest'
import type { Deps } from '../../activities/deps.ts'
import { createActivities } from '../../activities/index.ts'
import { scenarios } from './scenarios/index.ts'

test('every activity has scenarios in which it is run twice and broken off', () => {
  // Made, not run: nothing of this is reached for.
  const names = Object.keys(createActivities({} as Deps))
  expect(names.length).toBeGreaterThan(25)
  expect(Object.keys(scenarios).sort()).toEqual(names.sort())
  for (const [name, ways] of Object.entries(scenarios)) expect(Object.keys(ways), name).not.toEqual([])
})
