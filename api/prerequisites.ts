import { connectorKind } from '../connectors/kinds.ts'
import type { Connection } from '../db/connection.ts'
import { type ConnectorRow, readConnector } from '../db/connectors.ts'
import { blindNow, prerequisiteStatuses } from '../db/queries/prerequisites.ts'
import { AppError } from '../domain/errors.ts'
import type { components } from '../openapi/generated/types.ts'
import { checkPrerequisites as checkNow } from './processes.ts'
import { inProcess, isoOrNull, read } from './route.ts'

type Wire = components['schemas']

/** What the kind asks for, joined with what the last checks found. */
async function listOf(db: Connection, connector: ConnectorRow): Promise<Wire['PrerequisiteList']> {
  const { prerequisites, guide } = connectorKind(connector.kind)
  const statuses = await prerequisiteStatuses(db, connector.id)
  const blind = await blindNow(db, connector.id)
  return {
    items: prerequisites.map(({ id, title, anchor }) => {
      const status = statuses.find(({ check_id }) => check_id === id)
      return {
        id,
        title,
        guide: `${guide}#${anchor}`,
        state: (status?.state ?? 'unknown') as Wire['Prerequisite']['state'],
        code: status?.code ?? null,
        detail: status?.detail ?? null,
        since: isoOrNull(status?.since ?? null),
        checkedAt: isoOrNull(status?.checked_at ?? null),
        blindPolicies: blind.filter(({ check_id }) => check_id === id).map(({ policy_id }) => policy_id),
      }
    }),
  }
}

export const listPrerequisites = read('listPrerequisites', async ({ db, params }) => ({
  status: 200,
  body: await listOf(db, await readConnector(db, params.connectorId)),
}))

export const checkPrerequisites = inProcess('checkPrerequisites', async ({ db, deps, params }) => {
  const connector = await readConnector(db, params.connectorId)
  if (connector.state !== 'active' && connector.state !== 'paused') {
    throw new AppError('connector_not_active', `the connector is ${connector.state}`, {
      fix: connector.state === 'draft' ? 'Perform the step prerequisites of its set-up.' : 'Set up a new connector.',
    })
  }
  await checkNow(deps.temporal, connector.id, connector.kind)
  return {
    status: 200,
    body: await listOf(db, connector),
    audit: { action: 'connector.check-requested', subjectKind: 'connector', subjectId: connector.id },
  }
})
