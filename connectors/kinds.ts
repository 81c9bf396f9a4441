import { AppError } from '../domain/errors.ts'
import type { ConnectorDefinition } from './connector.ts'
import * as registry from './registry.ts'

/** Every connector kind by its id. */
export const connectorKinds: ReadonlyMap<string, ConnectorDefinition> = new Map(
  (Object.values(registry) as ConnectorDefinition[]).map((definition) => [definition.id, definition]),
)

export function connectorKind(id: string): ConnectorDefinition {
  const definition = connectorKinds.get(id)
  if (!definition) {
    throw new AppError('connector_kind_unknown', `there is no connector kind ${id}`, {
      fix: `Choose one of: ${[...connectorKinds.keys()].join(', ')}.`,
    })
  }
  return definition
}
