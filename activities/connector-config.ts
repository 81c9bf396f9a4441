import type { ConnectorDefinition } from '../connectors/connector.ts'
import { connectorKind } from '../connectors/kinds.ts'
import type { Connection } from '../db/connection.ts'
import { openSealed, type Vault } from '../db/vault.ts'
import { AppError } from '../domain/errors.ts'
import { parseSettings } from '../domain/form.ts'

export interface ConfiguredConnector {
  definition: ConnectorDefinition
  /** Settings and secrets, parsed. */
  config: any
}

/** A connector's kind with its settings and opened secrets. */
export async function configuredConnector(
  db: Connection,
  vault: Vault,
  row: { kind: string; settings: unknown; secret_id: string | null },
): Promise<ConfiguredConnector> {
  const definition = connectorKind(row.kind)
  const secrets = row.secret_id === null ? {} : await openSecrets(db, vault, row.secret_id)
  return { definition, config: parseSettings(definition.config, { ...(row.settings as object), ...secrets }) }
}

export async function openSecrets(db: Connection, vault: Vault, secretId: string): Promise<Record<string, unknown>> {
  const sealed = (await openSealed(db, vault, [secretId])).get(secretId)
  if (!sealed) throw new AppError('credential_refused', 'the stored credentials are gone', { fix: 'Enter them again.' })
  return JSON.parse(sealed.toString()) as Record<string, unknown>
}
