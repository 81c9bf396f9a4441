import * as queries from '../db/queries/policies.ts'
import type { components } from '../openapi/generated/types.ts'
import { iso, read } from './route.ts'

const present = (row: queries.IndicatorRow): components['schemas']['Indicator'] => ({
  id: row.id,
  version: row.version,
  sha256: row.sha256,
  definition: row.definition as Record<string, unknown>,
  createdAt: iso(row.created_at),
})

export const listIndicators = read('listIndicators', async ({ db }) => ({
  status: 200,
  body: { items: (await queries.listIndicators(db)).map(present) },
}))

export const getIndicator = read('getIndicator', async ({ db, params, query }) => ({
  status: 200,
  body: present(await queries.readIndicator(db, params.indicatorId, query.version)),
}))
