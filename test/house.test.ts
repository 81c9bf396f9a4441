import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import { expect, test } from 'vitest'
import { formOf } from '../domain/form.ts'
import { exporterKinds } from '../exporters/kinds.ts'

const root = path.join(import.meta.dirname, '..')

/** From the ground up; a room may import itself and what is below it. */
const FLOORS: readonly (readonly string[])[] = [
  ['domain'],
  ['db'],
  ['connectors', 'exporters', 'policies'],
  ['activities'],
  ['workflows'],
  ['api', 'worker'],
  ['cli'],
]
/** What starts the stand-ins beside the platform. */
const MAY_START_SANDBOX = /^cli\/(conformance|demo|sandbox)\//
/** Imports of types alone that look up: connectors describe positions that `db` books. */
const TYPES_ONLY = new Set(['db/chunks.ts → connectors/connector.ts'])

const sources = (folder: string): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))

test('rooms import from lower floors only, and nothing in production knows the sandbox', async () => {
  const rooms = FLOORS.flat()
  const { output } = await cruise(rooms, {
    baseDir: root,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'node_modules|generated' },
    tsPreCompilationDeps: true,
  })
  const floorOf = (file: string): number => FLOORS.findIndex((floor) => floor.includes(file.split('/')[0] ?? ''))
  const upward: string[] = []
  let seen = 0
  for (const { source, dependencies } of (output as ICruiseResult).modules) {
    if (source.endsWith('.test.ts') || floorOf(source) < 0) continue
    for (const { resolved } of dependencies) {
      seen += 1
      const edge = `${source} → ${resolved}`
      const sameRoom = source.split('/')[0] === resolved.split('/')[0]
      const foreign = MAY_START_SANDBOX.test(source) ? /^test\// : /^(sandbox|test)\//
      const isUpward = floorOf(resolved) !== -1 && floorOf(resolved) >= floorOf(source) && !sameRoom
      if (foreign.test(resolved) || (isUpward && !TYPES_ONLY.has(edge))) upward.push(edge)
    }
  }
  expect(seen).toBeGreaterThan(200)
  expect(upward).toEqual([])
})

test('tests replace no module, and no update validator is asynchronous', () => {
  const tests = [...FLOORS.flat(), 'test', 'sandbox']
    .flatMap(sources)
    .filter((file) => file.endsWith('.test.ts') && !file.endsWith('house.test.ts'))
  expect(tests.length).toBeGreaterThan(5)
  for (const file of tests)
    expect(readFileSync(path.join(root, file), 'utf8'), file).not.toMatch(/\bvi\.(mock|doMock|spyOn)\b/)
  for (const file of sources('workflows')) {
    expect(readFileSync(path.join(root, file), 'utf8'), file).not.toMatch(
      /validator:\s*async|async function (identified|worded)/,
    )
  }
})

test('every kind of destination has its guide and marks its secrets', () => {
  for (const kind of exporterKinds.values()) {
    expect(readFileSync(path.join(root, kind.guide), 'utf8').length).toBeGreaterThan(200)
    expect(formOf(kind.config).secrets.length, kind.id).toBeGreaterThan(0)
  }
})

test('search attributes and workflow ids are opaque: nothing of a person is in the words of the processes', () => {
  const words = readFileSync(path.join(root, 'activities/starting.ts'), 'utf8')
  expect(words).not.toMatch(/pseudonym|personId|address|email/i)
})

test('what is said to show a promise exists', () => {
  const said = readFileSync(path.join(root, 'docs/what-shows-what.md'), 'utf8')
  const paths = [...said.matchAll(/`([a-z][\w./-]*(?:\.test\.ts|\/))`/g)].map((found) => found[1] as string)
  expect(paths.length).toBeGreaterThan(30)
  expect(paths.filter((file) => !existsSync(path.join(root, file)))).toEqual([])
})
