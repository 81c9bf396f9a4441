import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { AppError } from '../domain/errors.ts'
import { testDatabase } from '../test/harness/database.ts'
import { definitionFrom, loadIndicators, loadTemplates, parsePolicyDefinition, syncIndicators } from './load.ts'
import type { PolicyTemplate } from './template.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'openirm-indicators-'))
  folders.push(folder)
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(folder, name), content)
  return folder
}

const own = `
id: own-lists
version: 1
title: Lists a lot
says: Listed {value} times.
family: access
needs: [amazon-s3]
where: { all: [{ field: verb, in: [list] }] }
measure: { of: count }
unit: times
tiers: { low: 10, medium: 20, high: 30 }
weights: { low: 0.1, medium: 0.2, high: 0.3 }
innocent: [A tool that lists by itself.]
examples:
  - { name: few, activities: [{ verb: list }], finds: null }
  - { name: many, activities: [{ verb: list, times: 12 }], finds: low }
`

async function errorOf(work: () => unknown): Promise<Pick<AppError, 'code' | 'message' | 'field' | 'fix'>> {
  try {
    await work()
  } catch (error) {
    if (error instanceof AppError)
      return { code: error.code, message: error.message, field: error.field, fix: error.fix }
    throw error
  }
  throw new Error('nothing was refused')
}

test("a customer's own indicators join the built-in ones", () => {
  const builtIn = loadIndicators()
  const all = loadIndicators(folderWith({ 'own-lists.yaml': own, 'README.md': 'not an indicator' }))
  expect([...all.keys()]).toEqual([...builtIn.keys(), 'own-lists'])
  expect(builtIn.size).toBeGreaterThanOrEqual(10)
})

test.each([
  [
    'an unknown field',
    own.replace('title:', 'titel: x\ntitle:'),
    '',
    'unknown titel',
    'Remove titel, or correct its spelling.',
  ],
  [
    'an unknown verb',
    own.replace('in: [list]', 'in: [lits]'),
    'where.all.0.in.0',
    'not one of the known values',
    'Use one of: view, ',
  ],
  [
    'an unknown column',
    own.replace('field: verb', 'field: user'),
    'where.all.0.field',
    'not one of the known forms',
    'Compare with',
  ],
  ['a misspelt operator', own.replace('in: [list]', 'is: [list]'), 'where.all.0.in', 'expected array', 'Compare with'],
  [
    'an unknown measure',
    own.replace('of: count', 'of: counts'),
    'measure.of',
    'not one of the known forms',
    'Compare with',
  ],
  ['tiers that fall', own.replace('medium: 20', 'medium: 40'), 'tiers', 'low ≤ medium ≤ high', 'Compare with'],
  ['a weight of certainty', own.replace('high: 0.3', 'high: 1'), 'weights', 'low ≤ medium ≤ high < 1', 'Compare with'],
  [
    'a placeholder for a person',
    own.replace('{value}', '{name}'),
    'says',
    'a placeholder is one of {value}',
    'Compare with',
  ],
  [
    'examples that all find',
    own.replace('finds: null', 'finds: low'),
    'examples',
    'one that is found and one that is not',
    'Compare with',
  ],
  [
    'no such time zone',
    own.replace('{ field: verb, in: [list] }', '{ field: hour, zone: Berlin, from: 22, to: 5 }'),
    'where.all.0.zone',
    'neither an IANA time zone nor `policy`',
    'Compare with',
  ],
])('%s is refused with file, place and remedy', async (_, content, field, what, fix) => {
  const folder = folderWith({ 'own-lists.yaml': content })
  const error = await errorOf(() => loadIndicators(folder))
  expect(error.code).toBe('indicator_invalid')
  expect(error.message).toContain('own-lists.yaml: ')
  expect(error.message).toContain(what)
  expect(error.message).toContain(` at ${field || 'the top'}`)
  expect(error.field).toBe(field)
  expect(error.fix).toContain(fix)
})

test('files that are not YAML, named otherwise, or take a known id are refused', async () => {
  const messageOf = async (files: Record<string, string>) => {
    const folder = folderWith(files)
    return (await errorOf(() => loadIndicators(folder))).message
  }
  expect(await messageOf({ 'own-lists.yaml': 'id: [' })).toBe('own-lists.yaml is not YAML')
  expect(await messageOf({ 'lists.yaml': own })).toBe('lists.yaml holds own-lists')
  expect(await messageOf({ 's3-bulk-read.yaml': own.replace('own-lists', 's3-bulk-read') })).toBe(
    's3-bulk-read.yaml: the id s3-bulk-read is taken',
  )
  const error = await errorOf(() => loadIndicators('/no/such/folder'))
  expect(error).toMatchObject({ code: 'indicator_invalid', message: 'the directory of indicator files cannot be read' })
})

test('a file is read anew when it has changed, and nobody changes what another reads', async () => {
  const folder = folderWith({ 'own-lists.yaml': own })
  const read = () => loadIndicators(folder).get('own-lists')
  const first = read()
  expect(first).toMatchObject({ version: 1 })
  Object.assign(first ?? {}, { version: 7 })
  expect(read()).toMatchObject({ version: 1 })
  writeFileSync(path.join(folder, 'own-lists.yaml'), own.replace('version: 1', 'version: 2'))
  expect(read()).toMatchObject({ version: 2 })
  writeFileSync(path.join(folder, 'own-lists.yaml'), 'id: [')
  expect((await errorOf(read)).message).toBe('own-lists.yaml is not YAML')
  rmSync(path.join(folder, 'own-lists.yaml'))
  mkdirSync(path.join(folder, 'own-lists.yaml'))
  expect(await errorOf(read)).toMatchObject({ code: 'indicator_invalid', message: 'own-lists.yaml cannot be read' })
})

test('a stored version never changes: another content needs the next number', async () => {
  await using t = await testDatabase()
  const load = (content: string) => [...loadIndicators(folderWith({ 'own-lists.yaml': content })).values()]
  const first = await syncIndicators(t.db, load(own))
  expect(first).toContain('own-lists@1')
  expect(await syncIndicators(t.db, load(own))).toEqual([])
  const changed = own.replace('low: 10', 'low: 11')
  expect(await errorOf(() => syncIndicators(t.db, load(changed)))).toEqual({
    code: 'indicator_invalid',
    message: 'own-lists.yaml differs from the stored version 1',
    field: 'version',
    fix: 'Set version: 2 in the file, or take the change back.',
  })
  expect(await errorOf(() => syncIndicators(t.db, load(changed.replace('version: 1', 'version: 3'))))).toMatchObject({
    message: 'own-lists.yaml says version 3, the next one is 2',
  })
  expect(await syncIndicators(t.db, load(changed.replace('version: 1', 'version: 2')))).toEqual(['own-lists@2'])
  // An older release that still runs beside the new one.
  expect(await syncIndicators(t.db, load(own))).toEqual([])
})

test('two processes that start at once store each version once', async () => {
  await using t = await testDatabase()
  const indicators = [...loadIndicators().values()]
  const added = await Promise.all([syncIndicators(t.db, indicators), syncIndicators(t.db, indicators)])
  expect(added.flat().sort()).toEqual(indicators.map(({ id, version }) => `${id}@${version}`).sort())
})

test('a policy takes its template, what the admin set, and each indicator at one version', async () => {
  const template = loadTemplates().get('data-theft-departing-users') as PolicyTemplate
  const indicators = loadIndicators()
  const windows = { ...template.windows, activationDays: 14 }
  const definition = definitionFrom(template, indicators, {
    windows,
    raiseAt: 60,
    indicators: [{ id: 's3-bulk-read' }],
  })
  expect(definition).toMatchObject({
    template: template.id,
    settings: { windows, raiseAt: 60, triage: template.triage, timeZone: 'UTC' },
    indicators: [{ id: 's3-bulk-read', version: indicators.get('s3-bulk-read')?.version }],
  })
  expect(parsePolicyDefinition(JSON.parse(JSON.stringify(definition)))).toEqual(definition)
  const refused = (overrides: Parameters<typeof definitionFrom>[2]) =>
    errorOf(() => definitionFrom(template, indicators, overrides))
  expect(await refused({ windows: { ...windows, activationDays: 31 } })).toMatchObject({
    code: 'policy_invalid',
    field: 'settings.windows.activationDays',
  })
  expect(await refused({ windows: { ...windows, pastDays: 91 } })).toMatchObject({ field: 'settings.windows.pastDays' })
  expect(await refused({ triggers: { resignation: false, termination: false } })).toMatchObject({
    field: 'settings.triggers',
  })
  expect(await refused({ severityBands: { medium: 80, high: 67 } })).toMatchObject({ field: 'settings.severityBands' })
  expect(await refused({ timeZone: 'Mars/Olympus' })).toMatchObject({ field: 'settings.timeZone' })
  expect(await refused({ indicators: [{ id: 'nothing' }] })).toMatchObject({ message: 'there is no indicator nothing' })
  expect(await refused({ indicators: [{ id: 's3-bulk-read' }, { id: 's3-bulk-read' }] })).toMatchObject({
    field: 'indicators',
    message: 'the policy does not fit: an indicator is named twice at indicators',
  })
})

test('DLP policies are chosen for what counts findings of data loss prevention, and for nothing else', async () => {
  const template = loadTemplates().get('data-leaks') as PolicyTemplate
  const indicators = loadIndicators()
  const triggeredBy = (id: string, dlpPolicies: string[]) =>
    definitionFrom(template, indicators, { triggers: { indicators: [{ id, tier: 'low', dlpPolicies }] } })
  expect(triggeredBy('dlp-high-finding', [' Finance ']).settings.triggers.indicators).toEqual([
    { id: 'dlp-high-finding', tier: 'low', dlpPolicies: ['Finance'] },
  ])
  const field = 'settings.triggers.indicators'
  expect(await errorOf(() => triggeredBy('s3-bulk-read', ['Finance']))).toMatchObject({ code: 'policy_invalid', field })
  expect(await errorOf(() => triggeredBy('storage-alert', ['Finance']))).toMatchObject({
    code: 'policy_invalid',
    field,
  })
  expect(await errorOf(() => triggeredBy('dlp-high-finding', []))).toMatchObject({ code: 'policy_invalid' })
})

test('a template about members of groups is refused without one', async () => {
  const indicators = loadIndicators()
  const bounded = [...loadTemplates().values()].filter(({ groups }) => groups.length > 0)
  expect(bounded.map(({ id }) => id)).toEqual([
    'data-leaks-priority-users',
    'security-policy-violations-priority-users',
  ])
  for (const template of bounded) {
    expect(definitionFrom(template, indicators).settings.groups).toEqual(['priority-users'])
    expect(definitionFrom(template, indicators, { groups: ['Traders'] }).settings.groups).toEqual(['Traders'])
    expect(await errorOf(() => definitionFrom(template, indicators, { groups: [] }))).toMatchObject({
      code: 'policy_invalid',
      field: 'settings.groups',
    })
  }
})
