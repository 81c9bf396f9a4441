import type { Detection } from '../connectors/insider-risk-indicators/config.ts'
import type { Connection } from '../db/connection.ts'
import { findConnector } from '../db/connectors.ts'
import * as queries from '../db/queries/policies.ts'
import { canonicalJson } from '../domain/canonical.ts'
import { AppError } from '../domain/errors.ts'
import type { components } from '../openapi/generated/types.ts'
import { customIndicator, customIndicatorId, DETECTIONS_KIND } from '../policies/custom-indicator.ts'
import { syncIndicators } from '../policies/load.ts'
import { inTransaction, iso, read } from './route.ts'

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

export const createIndicator = inTransaction('createIndicator', async ({ db, body }) => {
  const { connectorId, ...asked } = body
  checkDetection(await detectionOf(db, connectorId, asked.detection), asked)
  const id = customIndicatorId(asked)
  const current = await queries.findIndicator(db, id)
  const same = customIndicator(asked, current?.version ?? 1)
  if (current && canonicalJson(same) === canonicalJson(current.definition)) {
    return { status: 200, body: present(current), audit: { none: 'it said this already' } }
  }
  const version = (current?.version ?? 0) + 1
  await syncIndicators(db, [customIndicator(asked, version)])
  return {
    status: 201,
    body: present(await queries.readIndicator(db, id, version)),
    audit: {
      action: 'indicator.created',
      subjectKind: 'indicator',
      subjectId: id,
      detail: { version, connector_id: connectorId },
    },
  }
})

async function detectionOf(db: Connection, connectorId: string, detection: string): Promise<Detection> {
  const connector = await findConnector(db, connectorId)
  if (connector?.kind !== DETECTIONS_KIND) {
    throw new AppError('indicator_invalid', 'there is no such connector of detections', {
      field: '/connectorId',
      fix: `Name a connector of the kind ${DETECTIONS_KIND}.`,
    })
  }
  const { detections = [] } = connector.settings as { detections?: Detection[] }
  const found = detections.find(({ id }) => id === detection)
  if (found) return found
  throw new AppError('indicator_invalid', `the connector has no detection ${detection}`, {
    field: '/detection',
    fix: detections.length > 0 ? `Choose one of: ${detections.map(({ id }) => id).join(', ')}.` : 'Finish its set-up.',
  })
}

function checkDetection(detection: Detection, asked: { variant?: string; tiers?: object }): void {
  const { variants = [], amountColumn } = detection
  if (asked.variant !== undefined && !variants.some(({ id }) => id === asked.variant)) {
    throw new AppError('indicator_invalid', `the detection has no variant ${asked.variant}`, {
      field: '/variant',
      fix: variants.length > 0 ? `Choose one of: ${variants.map(({ id }) => id).join(', ')}.` : 'Leave it out.',
    })
  }
  if (asked.tiers !== undefined && amountColumn === undefined) {
    throw new AppError('indicator_invalid', 'the detection has no column with a number to compare', {
      field: '/tiers',
      fix: 'Leave the thresholds out, or name an amountColumn in the settings of the connector.',
    })
  }
}
