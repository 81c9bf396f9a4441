import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openAccess } from '../connectors/access.ts'
import type { ConnectorDefinition, SourceRecord } from '../connectors/connector.ts'
import { connectorKinds } from '../connectors/kinds.ts'
import { AppError } from '../domain/errors.ts'
import { formOf, parseSettings } from '../domain/form.ts'
import { REJECTION_CODES } from '../domain/signal.ts'
import { keptOf } from './harness/kept.ts'

/** What every connector kind has to bring, whoever adds it; a kind of the registry is held to it by being there. */
const root = path.join(import.meta.dirname, '..')
const SECRET = 'a-secret-that-nobody-may-read'
/** Words in the name of a setting by which it is one that may not be shown. */
const SECRET_NAME = /secret|password|passphrase|private_?key|token/i
const newKey = () =>
  generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
/** Of a secret with a form of its own: one that holds the planted words. */
const FORMED: Record<string, string> = {
  privateKey: `${SECRET}\n${newKey()}`,
  serviceAccountKey: JSON.stringify({
    type: 'service_account',
    project_id: SECRET,
    private_key_id: SECRET,
    client_email: 'reader@example.iam.gserviceaccount.com',
    private_key: newKey(),
  }),
}
const TYPES = ['activity', 'fact', 'finding', 'ignored', 'rejected']

describe.each([...connectorKinds])('%s', (id, kind) => {
  const folder = path.join(root, 'connectors', id, 'records')
  const json = (name: string) => JSON.parse(readFileSync(path.join(folder, name), 'utf8'))
  const { schema, secrets } = formOf(kind.config)
  const planted = () => ({
    ...(existsSync(path.join(folder, 'settings.json')) ? json('settings.json') : {}),
    ...Object.fromEntries(secrets.map((name) => [name, FORMED[name] ?? SECRET])),
  })
  const settings = () => parseSettings(kind.config, planted())

  test('has a guide that explains each of its prerequisites', () => {
    const guide = readFileSync(path.join(root, kind.guide), 'utf8')
    const anchors = [...guide.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
      (title as string).toLowerCase().replaceAll(/[^a-z0-9]+/g, '-'),
    )
    expect(kind.prerequisites.length).toBeGreaterThan(0)
    for (const { anchor } of kind.prerequisites) expect(anchors).toContain(anchor)
  })

  test('marks its secrets, and no refusal of settings tells one', () => {
    const properties = schema['properties'] as Record<string, { title?: string; writeOnly?: boolean }>
    const telling = Object.keys(properties).filter((name) => SECRET_NAME.test(name) && !/url$/i.test(name))
    expect(secrets).toEqual(expect.arrayContaining(telling))
    for (const name of secrets) expect(properties[name]?.writeOnly, name).toBe(true)
    for (const wrong of [...secrets.map((name) => ({ [name]: [SECRET] })), { [SECRET_NAME.source]: SECRET }]) {
      const refusal = thrownBy(() => parseSettings(kind.config, { ...planted(), ...wrong }))
      expect(refusal).toMatchObject({ code: 'settings_invalid' })
      expect(wordsOf(refusal)).not.toContain(SECRET)
    }
  })

  test('has records with their origin, and each becomes what is said of it', async () => {
    expect(readFileSync(path.join(folder, 'README.md'), 'utf8')).toMatch(/https?:\/\/|learn\.microsoft|Written for/)
    const files = readdirSync(folder).filter(isRecordFile)
    expect(files.length).toBeGreaterThan(0)
    for (const name of files) {
      const mapped = (await recordsIn(kind, path.join(folder, name), settings())).map(
        ({ record, unreadable }) => unreadable ?? kind.map(record, settings()),
      )
      expect(mapped.length, name).toBeGreaterThan(0)
      for (const each of mapped) expect(TYPES, name).toContain(each.type)
      const expected = `${name.replace(/\.\w+$/, '')}.expected.json`
      if (existsSync(path.join(folder, expected)))
        expect(JSON.parse(JSON.stringify(mapped)), name).toMatchObject(json(expected))
      // Without a word by hand at least nothing of it is refused.
      else expect(mapped.filter(({ type }) => type === 'rejected').length, name).toBe(0)
    }
  })

  test('keeps of each record all that it says', async () => {
    for (const name of readdirSync(folder).filter(isRecordFile)) {
      const records = await recordsIn(kind, path.join(folder, name), settings())
      expect(await keptOf(records), name).toEqual(records.map(({ record }) => record))
    }
  })

  test('maps whatever comes without throwing, twice to the same, and tells no secret', async () => {
    const config = settings()
    const [sample] = await firstRecords(kind, folder, config)
    const spoilt = fc
      .tuple(fc.constantFrom(...Object.keys(sample as object), 'cells'), fc.jsonValue())
      .map(([name, value]) => ({ ...(sample as object), [name]: value }))
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), spoilt), (record) => {
        const mapped = kind.map(record, config)
        expect(TYPES).toContain(mapped.type)
        if (mapped.type === 'rejected') expect(Object.keys(REJECTION_CODES)).toContain(mapped.code)
        expect(JSON.stringify(mapped)).not.toContain(SECRET)
        expect(kind.map(record, config)).toEqual(mapped)
      }),
      { numRuns: 300 },
    )
  })

  test.runIf(kind.delivery === 'push')('reads a file twice to the same records', async () => {
    for (const name of readdirSync(folder).filter(isRecordFile)) {
      const read = () => recordsIn(kind, path.join(folder, name), settings())
      expect(await read(), name).toEqual(await read())
    }
  })

  test.runIf(kind.delivery === 'pull')(
    'says how it delivers, and an unreachable source is told without a secret',
    async () => {
      expect(kind.pull).toBeDefined()
      const signal = AbortSignal.timeout(10_000)
      const access = Object.assign(openAccess(), {
        pause: async () => signal.throwIfAborted(),
        fetch: () => Promise.reject(new TypeError(`fetch failed with ${SECRET}`)),
      })
      const drain = async () => {
        const config = parseSettings(kind.config, { ...planted(), ...NOWHERE[id] })
        for await (const page of kind.read({
          config,
          position: null,
          until: new Date(),
          seen: nothingSeen,
          signal,
          access,
        }))
          for await (const _ of page.records);
      }
      const fault = await drain().catch((error: unknown) => error)
      expect(fault).toBeInstanceOf(AppError)
      expect(wordsOf(fault)).not.toContain(SECRET)
    },
  )
})

/** Settings by which a kind that does not go through the shared HTTP client reaches nobody. */
const NOWHERE: Record<string, Record<string, unknown>> = {
  'amazon-s3': { endpoint: 'http://127.0.0.1:9', forcePathStyle: true },
}

const nothingSeen = async () => new Set<string>()
const isRecordFile = (name: string): boolean =>
  /\.(csv|json|ndjson)$/.test(name) && !/^settings\.json$|\.expected\.json$/.test(name)

/** The records of a file as the connector itself reads it; of a pull source, what its pages would hold. */
async function recordsIn(kind: ConnectorDefinition, file: string, config: unknown): Promise<SourceRecord[]> {
  if (kind.delivery === 'pull') {
    const text = readFileSync(file, 'utf8')
    const found: unknown[] = file.endsWith('.ndjson')
      ? text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
      : [JSON.parse(text)].flat()
    return found.map((record, index) => ({ line: index + 1, record }))
  }
  async function* open() {
    yield readFileSync(file)
  }
  const records: SourceRecord[] = []
  const input = {
    config,
    position: null,
    until: new Date(),
    seen: nothingSeen,
    signal: new AbortController().signal,
    access: openAccess(),
    file: { kind: 'file' as const, name: path.basename(file), open },
  }
  for await (const page of kind.read(input)) for await (const record of page.records) records.push(record)
  return records
}

async function firstRecords(kind: ConnectorDefinition, folder: string, config: unknown): Promise<unknown[]> {
  const [first] = readdirSync(folder).filter(isRecordFile)
  return (await recordsIn(kind, path.join(folder, first as string), config)).map(({ record }) => record)
}

function thrownBy(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}

/** What an error says to those who read it: its own words, without its causes. */
const wordsOf = (error: unknown): string =>
  `${(error as Error).message} ${JSON.stringify({ ...(error as object), cause: undefined })}`
