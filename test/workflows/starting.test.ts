import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { TypedSearchAttributes } from '@temporalio/common'
import { expect, test } from 'vitest'
import * as starting from '../../activities/starting.ts'
import * as workflows from '../../workflows/index.ts'

const ID = '01a20e4a-b9f9-7108-96c6-822111b134e7'
/** An argument for each starting function; a new one without its line here does not compile. */
const starts = {
  setupStart: starting.setupStart({ setupId: ID, connectorId: ID, kind: 'hr' }),
  importStart: starting.importStart({ connectorId: ID, importId: ID, run: ID, kind: 'hr', why: 'upload' }),
  uploadRunStart: starting.uploadRunStart(ID, ID),
  backfillStart: starting.backfillStart({ backfillId: ID, connectorId: ID, kind: 'hr' }),
  prerequisiteStart: starting.prerequisiteStart(ID, 'hr'),
  evaluationStart: starting.evaluationStart(ID),
  triageStart: starting.triageStart(ID),
  approvalStart: starting.approvalStart({
    approvalId: ID,
    alertId: ID,
    requestedBy: ID,
    quorum: 2,
    remindAt: null,
    expiresAt: '2026-12-01T00:00:00.000Z',
  }),
  caseStart: starting.caseStart(ID),
  exportStart: starting.exportStart(ID),
}
type StartName = {
  [Name in keyof typeof starting]: Name extends `${string}Start` ? Name : never
}[keyof typeof starting]
const all: Record<Extract<StartName, keyof typeof starts>, (typeof starts)['setupStart']> = starts

test('every starting function is known here', () => {
  expect(Object.keys(all).sort()).toEqual(
    Object.keys(starting)
      .filter((name) => name.endsWith('Start'))
      .sort(),
  )
})

test.each(Object.entries(all))(
  '%s: operators recognise the run, and nothing of a person is in its words',
  (_, start) => {
    expect(Object.keys(workflows)).toContain(start.type)
    expect(start.staticSummary).toMatch(/^[A-Z].{5,80}$/)
    expect(start.staticDetails).toContain(ID)
    expect(start.workflowIdConflictPolicy).toBe('USE_EXISTING')
    expect(start.workflowId).toMatch(new RegExp(`^[a-z]+/${ID}(/${ID})?$`))
    const given = start.typedSearchAttributes
    const attributes = given instanceof TypedSearchAttributes ? given.getAll() : []
    expect(attributes.length).toBeGreaterThan(0)
    for (const { key, value } of attributes) {
      expect(key.name).toMatch(/^OpenIrm[A-Z]/)
      expect(value).toMatch(/^[0-9a-f-]{36}$|^[a-z]+$/)
    }
  },
)

test('every activity of a workflow has the words by which it is recognised', () => {
  const folder = path.join(import.meta.dirname, '../../workflows')
  for (const file of readdirSync(folder)) {
    const text = readFileSync(path.join(folder, file), 'utf8')
    if (file !== 'options.ts') expect(text, file).not.toMatch(/proxyActivities|proxyLocalActivities/)
    for (const [, words] of text.matchAll(/= (?:patient|prompt|long)\(([^)]*)/g)) {
      expect(words?.trim(), file).toMatch(/^['"][A-Z].{5,60}/)
    }
  }
})
