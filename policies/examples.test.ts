import { expect, test } from 'vitest'
import { testDatabase } from '../test/harness/database.ts'
import { runExamples } from './examples.ts'
import { definitionFrom, loadIndicators, loadTemplates } from './load.ts'

test('every example in the indicator files comes out as its file says', async () => {
  await using t = await testDatabase()
  const indicators = loadIndicators()
  const results = await runExamples(t.db, indicators.values())
  expect(results.filter((result) => !result.passed)).toEqual([])
  expect(new Set(results.map((result) => result.indicatorId))).toEqual(new Set(indicators.keys()))
})

test('of every source that an indicator over several counts, an example is found', () => {
  const missing = [...loadIndicators().values()].flatMap(({ id, needs, examples }) => {
    const found = examples.filter(({ finds }) => finds !== null).flatMap(({ activities }) => activities)
    const shown = new Set(found.map(({ connectorKind }) => connectorKind))
    return needs.length < 2 || isOfHealth(id) ? [] : needs.filter((kind) => !shown.has(kind)).map((kind) => [id, kind])
  })
  expect(missing).toEqual([])
})

/** Records of health are told in one form, whichever system they come from. */
const isOfHealth = (id: string) => id.startsWith('patient-')

const NOBODY = ['service', 'guest', 'external', 'anonymous'] as const

test('whoever is nobody inside is never counted, whatever they did', async () => {
  await using t = await testDatabase()
  const found = [...loadIndicators().values()].map((indicator) => ({
    ...indicator,
    examples: indicator.examples
      .filter(({ finds }) => finds !== null)
      .slice(0, 1)
      .map((example) => ({
        ...example,
        finds: null,
        activities: example.activities.flatMap((activity) => NOBODY.map((actorKind) => ({ ...activity, actorKind }))),
      })),
  }))
  const results = await runExamples(t.db, found)
  expect(results).toHaveLength(found.length)
  expect(results.filter((result) => !result.passed)).toEqual([])
})

test('every template names known indicators, several of them, each with an innocent explanation', () => {
  const indicators = loadIndicators()
  for (const template of loadTemplates().values()) {
    expect(definitionFrom(template, indicators).indicators.length).toBeGreaterThan(3)
  }
  for (const indicator of indicators.values()) expect(indicator.innocent.length).toBeGreaterThan(0)
})
