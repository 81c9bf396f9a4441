import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { EdgeOptions } from '../../api/microsoft/edge.ts'
import {
  type BlockRequest,
  blockRequest,
  exchange,
  type ScriptIds,
  tokenRequest,
  type WireAnswer,
} from '../../sandbox/microsoft-upload-client.ts'
import { type Api, api, type Caller } from '../api/api.ts'
import { eventually } from '../harness/world.ts'

export const HEADER = 'HRScenario,EmailAddress,ResignationDate,LastWorkingDate'
export const row = (name: string, date = '2024-01-01T00:00:00Z'): string =>
  `Resignation,${name}@contoso.com,${date},2024-01-15T00:00:00Z`
export const review = (name: string, remarks: string): string =>
  `Performance review,${name}@contoso.com,2024-02-01T00:00:00Z,${remarks}`
/** As the script writes a block: every line ended. */
export const lines = (...all: string[]): string => all.map((line) => `${line}\r\n`).join('')

export const GUID = 'd0d8e2b6-1111-4222-8333-9a9a9a9a9a9a'
export const named = (sequence: number, guid = GUID): string => `tmp_${guid}${String(sequence).padStart(4, '0')}.txt`

const SETTINGS = {
  identifierColumn: 'HRScenario',
  scenarios: [
    {
      scenario: 'resignation',
      identifierValue: 'Resignation',
      columns: { person: 'EmailAddress', resignationDate: 'ResignationDate', lastWorkingDate: 'LastWorkingDate' },
    },
    {
      scenario: 'performance_review',
      identifierValue: 'Performance review',
      columns: { person: 'EmailAddress', effectiveDate: 'ResignationDate', remarks: 'LastWorkingDate' },
    },
  ],
}

/** An HR connector that takes uploads, with a secret in use. */
export interface Target extends ScriptIds {
  connectorId: string
  secretId: string
}

export interface Edge extends AsyncDisposable {
  t: Api
  admin: Caller
  port: number
  /** Of HR unless told. */
  target(settings?: Record<string, unknown>, kind?: string): Promise<Target>
  token(ids: ScriptIds): Promise<string>
  send(block: BlockRequest): Promise<WireAnswer>
  imports(connectorId: string): Promise<ImportFound[]>
  /** Once all runs of a connector are joined and as many of its imports have ended. */
  imported(connectorId: string, count: number): Promise<ImportFound[]>
}

export interface ImportFound {
  id: string
  state: string
  source: string
  received: number
  stored: number
  duplicate: number
  quarantined: number
}

export interface EdgeUnderTest extends EdgeOptions {
  workers?: boolean
  log?: Logger
  /** Another Temporal server than the run's. */
  temporalAddress?: string
  /** Of the API. */
  ratePerMinute?: number
}

export async function edge({
  workers = true,
  log,
  temporalAddress,
  ratePerMinute,
  ...microsoft
}: EdgeUnderTest = {}): Promise<Edge> {
  const more = {
    ...(log ? { log } : {}),
    ...(temporalAddress ? { temporalAddress } : {}),
    ...(ratePerMinute ? { ratePerMinute } : {}),
  }
  const t = await api({ workers, ...more, microsoft: { quietMs: 1_200, cutMs: 4_000, ...microsoft } })
  const admin = await t.as('admin')
  const port = Number(new URL(t.url).port)
  const imports = (connectorId: string): Promise<ImportFound[]> =>
    t.w.t.db
      .selectFrom('import')
      .select(['id', 'state', 'source', 'received', 'stored', 'duplicate', 'quarantined'])
      .where('connector_id', '=', connectorId)
      .orderBy('id')
      .execute()
  return {
    t,
    admin,
    port,
    imports,
    async target(settings = SETTINGS, kind = 'hr') {
      const connectorId = await t.w.connector(kind, settings)
      const { body } = await admin.post(`/connectors/${connectorId}/microsoft-upload/enable`)
      const made = await admin.post(`/connectors/${connectorId}/microsoft-upload/secrets`, {
        json: { expiresInDays: 30 },
      })
      return {
        connectorId,
        tenantId: body.tenantId,
        appId: body.appId,
        jobId: body.jobId,
        appSecret: made.body.secret,
        secretId: made.body.id,
      }
    },
    async token(ids) {
      const answer = await exchange(port, tokenRequest(ids))
      if (answer.status !== 200) throw new Error(answer.body)
      return JSON.parse(answer.body).access_token
    },
    send: (block) => exchange(port, blockRequest(block), 60_000),
    async imported(connectorId, count) {
      await eventually(
        () =>
          t.w.t.db
            .selectFrom('upload_run')
            .select('id')
            .where('connector_id', '=', connectorId)
            .where('state', '<>', 'joined')
            .execute(),
        { timeoutMs: 60_000, until: (open) => open.length === 0 },
      )
      const done = await eventually(() => imports(connectorId), {
        timeoutMs: 60_000,
        until: (found) => found.length >= count && found.every(({ state }) => state !== 'running'),
      })
      // One too many would come now.
      await sleep(300)
      return done
    },
    [Symbol.asyncDispose]: () => t[Symbol.asyncDispose](),
  }
}
