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

test('every template names known indicators, several of them, each with an innocent explanation', () => {
  const indicators = loadIndicators()
  for (const template of loadTemplates().values()) {
    expect(definitionFrom(template, indicators).indicators.length).toBeGreaterThan(3)
  }
  for (const indicator of indicators.values()) expect(indicator.innocent.length).toBeGreaterThan(0)
})
