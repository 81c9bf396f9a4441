import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { conform, pullKinds } from '../../cli/conformance/conformance.ts'
import { tableOf } from '../../cli/conformance/table.ts'
import { type TestDatabase, testDatabase } from '../harness/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database[Symbol.asyncDispose]())

test.each(pullKinds().map((definition) => [definition.id, definition] as const))(
  '%s survives what its source does',
  { timeout: 120_000 },
  async (kind, definition) => {
    const report = await conform(database, definition)
    expect(report.passed, tableOf(report).join('\n')).toBe(true)
    // What it sends, by names alone: a change here is one that the vendor sees.
    await expect(`${report.requests.join('\n')}\n`).toMatchFileSnapshot(
      path.join(import.meta.dirname, 'golden', `${kind}.txt`),
    )
  },
)
