import { execFile } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pullKinds } from '../cli/conformance/conformance.ts'

const run = promisify(execFile)
const root = path.join(import.meta.dirname, '..')
/** What the experiment needs of the tree; node_modules is linked. */
const COPIED = [
  ...['activities', 'api', 'cli', 'connectors', 'db', 'docs', 'domain', 'exporters', 'openapi', 'policies', 'sandbox'],
  ...['test', 'worker', 'workflows', 'package.json', 'tsconfig.json'],
]
const TIMEOUT = 240_000
let copy: string

beforeAll(() => {
  copy = mkdtempSync(path.join(os.tmpdir(), 'openirm-experiment-'))
  for (const name of COPIED) cpSync(path.join(root, name), path.join(copy, name), { recursive: true })
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
}, TIMEOUT)
afterAll(() => rmSync(copy, { recursive: true, force: true }))

const KIND = `import { z } from 'zod'
import { defineConnector } from '../connector.ts'

export const acmeBadges = defineConnector({
  id: 'acme-badges',
  title: 'Acme badges',
  says: 'Who opened which door.',
  delivery: 'pull',
  yields: { activities: true, facts: [] },
  guide: 'connectors/acme-badges/guide.md',
  config: z.strictObject({
    site: z.string().min(1).meta({ title: 'Site' }),
    apiToken: z.string().min(1).meta({ title: 'API token', secret: true }),
  }),
  everySeconds: 600,
  prerequisites: [],
  async *read() {},
  map: () => ({ type: 'ignored', why: 'an experiment' }),
})
`

/** Asks the copy what it knows of the new kind: the list and the form of the API, and what becomes of secrets. */
const PROBE = `
import { connectorKinds } from './connectors/kinds.ts'
import { formOf, partSecrets } from './domain/form.ts'
import { routes } from './api/routes.ts'
const kind = connectorKinds.get('acme-badges')
const ask = async (id, params) => (await routes[id].handle({ params })).body
console.log(JSON.stringify({
  listed: (await ask('listConnectorKinds', {})).items.map(({ id }) => id),
  shown: await ask('getConnectorKind', { kind: 'acme-badges' }),
  parted: partSecrets(kind.config, { site: 'HQ', apiToken: 'hush' }),
}))
`

test('a new kind is its folder and one line; form, index, enum and redactor know it', {
  timeout: TIMEOUT,
}, async () => {
  const before = await generated()
  expect(before.enumOfApi).not.toContain('acme-badges')

  const folder = path.join(copy, 'connectors/acme-badges')
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'connector.ts'), KIND)
  writeFileSync(path.join(folder, 'guide.md'), '# Acme badges\n\nNot collected: doors that stay shut.\n')
  appendFileSync(path.join(copy, 'connectors/registry.ts'), "export { acmeBadges } from './acme-badges/connector.ts'\n")

  // What was generated before does not pass any more, and is made anew by one command.
  for (const generator of ['openapi/generate.ts', 'docs/generate.ts']) {
    await expect(tsx(generator, '--check'), generator).rejects.toMatchObject({ code: 1 })
    await tsx(generator)
  }
  const after = await generated()
  expect(after.enumOfApi).toEqual([...before.enumOfApi, 'acme-badges'].sort())
  expect(after.types).toContain('"acme-badges"')
  expect(after.index).toContain('| `apiToken` | API token | required, secret |  |')
  expect(after.index).toContain('Not collected: doors that stay shut.')

  writeFileSync(path.join(copy, 'probe.ts'), PROBE)
  const known = JSON.parse((await tsx('probe.ts')).stdout)
  expect(known.listed).toContain('acme-badges')
  expect(known.shown).toMatchObject({
    id: 'acme-badges',
    secrets: ['apiToken'],
    form: { required: ['site', 'apiToken'], properties: { apiToken: { writeOnly: true, format: 'password' } } },
  })
  expect(known.parted).toEqual({ settings: { site: 'HQ' }, secret: { apiToken: 'hush' } })
  // Without a stand-in nobody knows what it survives: the others are tried all the same.
  const tried = await tsx('cli/openirm.ts', 'conformance', '--all', '--only', 'unknown_type').catch((ended) => ended)
  expect(tried).toMatchObject({ code: 1 })
  const verdicts = [...tried.stdout.matchAll(/^(\S+): (conforms|does not conform)/gm)].map(([, kind, said]) => [
    kind,
    said,
  ])
  expect(verdicts).toHaveLength(pullKinds().length + 1)
  expect(verdicts.filter(([, said]) => said !== 'conforms')).toEqual([['acme-badges', 'does not conform']])
  expect(tried.stdout).toMatch(/there is no stand-in: add sandbox\/benches\/acme-badges\.ts/)
  // All of production holds together: no exhaustive switch elsewhere wants a line.
  writeFileSync(
    path.join(copy, 'tsconfig.experiment.json'),
    JSON.stringify({ extends: './tsconfig.json', include: ['cli/openirm.ts'] }),
  )
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
  // Most of what is made lives long: a young generation of the usual size would be copied again and again.
  await run(process.execPath, ['--max-semi-space-size=64', tsc, '--noEmit', '-p', 'tsconfig.experiment.json'], {
    cwd: copy,
  })
})

async function generated(): Promise<{ enumOfApi: string[]; types: string; index: string }> {
  const read = (file: string) => readFileSync(path.join(copy, file), 'utf8')
  const contract = JSON.parse(read('openapi/generated/openapi.json'))
  const kinds = Object.values(contract.components.schemas as Record<string, { enum?: string[] }>).find((schema) =>
    schema.enum?.includes('amazon-s3'),
  )
  return { enumOfApi: kinds?.enum ?? [], types: read('openapi/generated/types.ts'), index: read('docs/connectors.md') }
}

const tsx = (...args: string[]) => run(process.execPath, ['--import', 'tsx', ...args], { cwd: copy })
