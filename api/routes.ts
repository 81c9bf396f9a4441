import type { OperationId } from '../openapi/generated/operations.ts'
import * as alerts from './alerts.ts'
import * as approvals from './approvals.ts'
import * as audit from './audit.ts'
import * as backfills from './backfills.ts'
import * as cases from './cases.ts'
import * as connectors from './connectors.ts'
import * as deliveries from './deliveries.ts'
import type { ApiDeps } from './deps.ts'
import * as destinations from './destinations.ts'
import * as health from './health.ts'
import * as identities from './identities.ts'
import * as imports from './imports.ts'
import * as indicators from './indicators.ts'
import * as microsoftUploads from './microsoft-uploads.ts'
import * as people from './people.ts'
import * as policies from './policies.ts'
import * as policySight from './policy-sight.ts'
import * as prerequisites from './prerequisites.ts'
import * as quarantinedRows from './quarantined-rows.ts'
import type { Audited, Call, Route } from './route.ts'
import * as setups from './set-ups.ts'
import * as tokens from './tokens.ts'

/** Every operation of the contract and nothing else: a missing or an unknown one does not compile. */
export const routes = {
  ...health,
  ...connectors,
  ...setups,
  ...prerequisites,
  ...imports,
  ...microsoftUploads,
  ...backfills,
  ...quarantinedRows,
  ...people,
  ...identities,
  ...policies,
  ...policySight,
  ...indicators,
  ...alerts,
  ...approvals,
  ...cases,
  ...destinations,
  ...deliveries,
  ...audit,
  ...tokens,
} satisfies { [Id in OperationId]: Route<Id> }

// `satisfies` lets a spread bring more than it asks for; this does not.
type Unknown = Exclude<keyof typeof routes, OperationId>
const unknownOperations: readonly Unknown[] = []
void (unknownOperations satisfies readonly never[])

/** Any route, for the layer that carries them out. */
export interface AnyAnswer extends Partial<Audited> {
  status: number
  body: unknown
  headers?: Record<string, string>
  contentType?: string
  keep?: unknown
  after?: () => Promise<unknown>
}
export interface AnyRoute {
  id: OperationId
  in: 'read' | 'transaction' | 'process'
  maxFileBytes?: (deps: ApiDeps) => number
  handle(call: Call<never>): Promise<unknown>
}
