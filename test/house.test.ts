import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import ts from 'typescript'
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

test('tests replace no module', () => {
  const tests = [...FLOORS.flat(), 'test', 'sandbox'].flatMap(sources).filter((file) => !file.endsWith('house.test.ts'))
  expect(tests.length).toBeGreaterThan(100)
  for (const file of tests)
    expect(readFileSync(path.join(root, file), 'utf8'), file).not.toMatch(/\bvi\.(mock|doMock|hoisted|spyOn)\b/)
})

/** Names of the functions that validate updates, and functions written in their place; found by TypeScript's parser. */
function validatorsOf(file: string): { named: string[]; asynchronous: string[]; seen: number } {
  const tree = ts.createSourceFile(file, readFileSync(path.join(root, file), 'utf8'), ts.ScriptTarget.ESNext, true)
  const isAsync = (node: ts.Node): boolean =>
    ts.isFunctionLike(node) &&
    ((ts.getCombinedModifierFlags(node as ts.Declaration) & ts.ModifierFlags.Async) !== 0 ||
      node.type?.getText().startsWith('Promise') === true)
  const validators: ts.Node[] = []
  const functions = new Map<string, ts.Node>()
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node) && node.name.getText() === 'validator') validators.push(node.initializer)
    if (ts.isShorthandPropertyAssignment(node) && node.name.text === 'validator') validators.push(node.name)
    if (ts.isMethodDeclaration(node) && node.name.getText() === 'validator') validators.push(node)
    if (ts.isFunctionDeclaration(node) && node.name) functions.set(node.name.text, node)
    if (ts.isVariableDeclaration(node) && node.initializer) functions.set(node.name.getText(), node.initializer)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  const named = validators.filter(ts.isIdentifier).map(({ text }) => text)
  const bodies = validators.map((node) => (ts.isIdentifier(node) ? functions.get(node.text) : node))
  return {
    named: named.filter((name) => !functions.has(name)),
    asynchronous: bodies.flatMap((body) => (body && isAsync(body) ? [body.getText().slice(0, 60)] : [])),
    seen: validators.length,
  }
}

test('update validators are synchronous, wherever they are written', () => {
  const found = sources('workflows').map(validatorsOf)
  expect(found.reduce((sum, { seen }) => sum + seen, 0)).toBeGreaterThan(8)
  expect(found.flatMap(({ asynchronous }) => asynchronous)).toEqual([])
  // One that is imported or made elsewhere would not be looked at here.
  expect(found.flatMap(({ named }) => named)).toEqual([])
})

test('activities get their time-out and retries from workflows/options.ts alone', () => {
  for (const file of sources('workflows').filter((name) => name !== 'workflows/options.ts'))
    expect(readFileSync(path.join(root, file), 'utf8'), file).not.toMatch(/proxy(Local)?Activities|scheduleActivity/)
  const options = readFileSync(path.join(root, 'workflows/options.ts'), 'utf8')
  const classes = [...options.matchAll(/^const [A-Z]+: ActivityOptions = \{(.*?)^\}/gms)].map((found) => found[1])
  expect(classes).toHaveLength(3)
  for (const one of classes) expect(one).toMatch(/startToCloseTimeout: .*retry: \{/s)
  const proxies = [...options.matchAll(/proxyActivities<Activities>\(\{ \.\.\.([A-Z]+)/g)]
  expect(proxies.map((found) => found[1])).toEqual(['PATIENT', 'PROMPT', 'LONG'])
  expect(options.match(/proxyActivities</g)).toHaveLength(proxies.length)
})

/** Where search attributes are built; a workflow that starts a child hands on what it got. */
const BUILDS_SEARCH_ATTRIBUTES = ['activities/starting.ts', 'workflows/backfill.ts']

test('search attributes are built where runs are started', () => {
  const building = FLOORS.flat()
    .flatMap(sources)
    .filter((file) => !file.endsWith('.test.ts'))
    .filter((file) =>
      /typedSearchAttributes:|searchAttributes\(|upsertSearchAttributes|upsertMemo/.test(
        readFileSync(path.join(root, file), 'utf8'),
      ),
    )
  expect(building).toEqual(BUILDS_SEARCH_ATTRIBUTES)
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
