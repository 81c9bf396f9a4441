import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { conform, type Options } from '../../cli/conformance/conformance.ts'
import type { Access } from '../../connectors/access.ts'
import type { ConnectorDefinition, Page, Position } from '../../connectors/connector.ts'
import type { Token } from '../../connectors/http/token.ts'
import { connectorKind } from '../../connectors/kinds.ts'
import { AppError, isAppError } from '../../domain/errors.ts'
import { type TestDatabase, testDatabase } from '../harness/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database[Symbol.asyncDispose]())

const dropbox = connectorKind('dropbox')
const amazonS3 = connectorKind('amazon-s3')
type Read = ConnectorDefinition['read']
type Map_ = ConnectorDefinition['map']

const reading = (definition: ConnectorDefinition, read: (input: Parameters<Read>[0]) => AsyncIterable<Page>) => ({
  ...definition,
  read,
})
const mapping = (definition: ConnectorDefinition, change: (mapped: ReturnType<Map_>) => ReturnType<Map_>) => ({
  ...definition,
  map: (record: unknown, config: unknown) => change(definition.map(record, config)),
})
const access = (change: (access: Access) => Partial<Access>): Options => ({
  access: (whole) => ({ ...whole, ...change(whole) }),
})

/** The cursor of a page is the one behind the page that follows: stored before its rows are. */
async function* hasty(pages: AsyncIterable<Page>): AsyncGenerator<Page> {
  let held: Page | undefined
  for await (const page of pages) {
    if (held) yield { ...held, after: page.after }
    held = page
  }
  if (held) yield held
}

async function* complaining(pages: AsyncIterable<Page>, say: (error: unknown) => unknown): AsyncGenerator<Page> {
  try {
    yield* pages
  } catch (error) {
    throw say(error)
  }
}

/** As if every sweep had been done just now. */
const swept = (position: Position, until: Date): Position =>
  position && {
    ...position,
    sweptAt: until.toISOString(),
    sweptOn: until.toISOString().slice(0, 10).replaceAll('-', '/'),
  }

const MUTATIONS: [name: string, definition: ConnectorDefinition, scenario: string, says: RegExp, options?: Options][] =
  [
    [
      'an id of its own for every delivery',
      mapping(dropbox, (mapped) => (mapped.type === 'activity' ? { ...mapped, sourceId: randomUUID() } : mapped)),
      'very_late',
      /more than once/,
    ],
    [
      'one id for all that one person does',
      mapping(dropbox, (mapped) =>
        mapped.type === 'activity' ? { ...mapped, sourceId: mapped.actor.value, at: new Date(0) } : mapped,
      ),
      'server_error',
      /never stored/,
    ],
    [
      'a cursor stored before its rows',
      reading(dropbox, (input) => hasty(dropbox.read(input))),
      'outage',
      /never stored/,
    ],
    [
      'no sweep (Dropbox)',
      reading(dropbox, (input) => dropbox.read({ ...input, position: swept(input.position, input.until) })),
      'very_late',
      /never stored/,
    ],
    [
      'no sweep (Amazon S3)',
      reading(amazonS3, (input) => amazonS3.read({ ...input, position: swept(input.position, input.until) })),
      'very_late',
      /never stored/,
    ],
    [
      'redirects are followed',
      dropbox,
      'redirect',
      /another host/,
      access(() => ({ fetch: (url, init) => fetch(url, { ...init, redirect: 'follow' }) })),
    ],
    [
      'a wait asked for is cut short',
      dropbox,
      'retry_after',
      /came back after/,
      access((whole) => ({ pause: (ms, signal) => whole.pause(Math.min(ms, 500), signal) })),
    ],
    [
      'a token is never renewed',
      dropbox,
      'token_refused',
      /credential_refused/,
      access(() => ({ tokens: new FirstOnly() })),
    ],
    [
      'a token is used to its end and beyond',
      dropbox,
      'short_tokens',
      /known to have ended|credential_refused/,
      access(() => ({ tokens: new Endless() })),
    ],
    [
      'unknown events are dropped',
      mapping(dropbox, (mapped) =>
        mapped.type === 'activity' && mapped.verb === 'other' ? { type: 'ignored', why: 'unknown' } : mapped,
      ),
      'unknown_type',
      /never stored/,
    ],
    [
      'a refusal for good is tried again',
      reading(dropbox, (input) =>
        complaining(dropbox.read(input), () => new AppError('connector_unreachable', 'try again')),
      ),
      'forbidden',
      /tried 20 times/,
    ],
    [
      'a failure names the person',
      reading(dropbox, (input) =>
        complaining(
          dropbox.read(input),
          (error) =>
            new AppError(isAppError(error) ? error.code : 'internal', 'not allowed for dana.roe@conformance.example'),
        ),
      ),
      'forbidden',
      /secrets or names/,
    ],
    [
      'a failure quotes the secret',
      reading(dropbox, (input) =>
        complaining(
          dropbox.read(input),
          (error) => new AppError(isAppError(error) ? error.code : 'internal', `refused: ${input.config.appSecret}`),
        ),
      ),
      'credential_refused',
      /secrets or names/,
    ],
    [
      'a range loses its first second',
      {
        ...dropbox,
        history: {
          ...dropbox.history!,
          readRange: (input) => dropbox.history!.readRange({ ...input, from: new Date(input.from.getTime() + 1_000) }),
        },
      },
      'backfill',
      /never stored/,
    ],
    [
      'a source that says nothing of itself',
      { ...dropbox, pull: undefined } as unknown as ConnectorDefinition,
      'killed',
      /declare `pull`/,
    ],
    ['a kind without a stand-in', { ...dropbox, id: 'nobody-knows' }, 'killed', /no stand-in/],
  ]

test.each(MUTATIONS)('the kit finds: %s', { timeout: 60_000 }, async (_, definition, scenario, says, options = {}) => {
  const { passed, verdicts } = await conform(database, definition, { ...options, only: [scenario] })
  expect(passed).toBe(false)
  expect(verdicts.flatMap((verdict) => verdict.says).join('\n')).toMatch(says)
})

/** Keeps the first token for ever. */
class FirstOnly extends Map<string, Promise<Token>> {
  override set(key: string, token: Promise<Token>): this {
    return this.has(key) ? this : super.set(key, token)
  }

  override get(key: string): Promise<Token> | undefined {
    return super.get(key)?.then((token) => ({ ...token }))
  }
}

/** Takes no token for one that ends. */
class Endless extends Map<string, Promise<Token>> {
  override set(key: string, token: Promise<Token>): this {
    return super.set(
      key,
      token.then((each) => Object.assign(each, { renewAt: Number.POSITIVE_INFINITY })),
    )
  }
}
