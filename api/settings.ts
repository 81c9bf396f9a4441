import type { z } from 'zod'
import type { Connection } from '../db/connection.ts'
import { readSecrets } from '../db/secrets.ts'
import type { Vault } from '../db/vault.ts'
import { AppError } from '../domain/errors.ts'
import { formOf, parseSettings, partSecrets } from '../domain/form.ts'

type Values = Record<string, unknown>

/** Names of the secrets with whether each is set; values never leave. */
export async function shownSecrets(
  db: Connection,
  vault: Vault,
  config: z.ZodType,
  secretId: string | null,
): Promise<Record<string, { set: boolean }>> {
  const stored = await readSecrets(db, vault, secretId)
  return Object.fromEntries(formOf(config).secrets.map((name) => [name, { set: stored[name] !== undefined }]))
}

/**
 * What an admin sent, parted by the form: a secret is sealed wherever it was written. Secrets that were not sent stay,
 * one sent as null goes. Throws settings_invalid for a name that the form does not know.
 */
export function mergeSettings(
  config: z.ZodType,
  stored: Values,
  sent: { settings: Values; secrets?: Values | undefined },
) {
  const form = formOf(config)
  const known = Object.keys((form.schema['properties'] ?? {}) as object)
  for (const name of [...Object.keys(sent.settings), ...Object.keys(sent.secrets ?? {})]) {
    if (!known.includes(name)) {
      throw new AppError('settings_invalid', `the form has no field ${name.slice(0, 60)}`, {
        field: `/settings/${name.slice(0, 60)}`,
        fix: `Fields are: ${known.join(', ')}.`,
      })
    }
  }
  const parts = partSecrets(config, sent.settings)
  for (const name of Object.keys(sent.secrets ?? {})) {
    if (!form.secrets.includes(name)) {
      throw new AppError('settings_invalid', `${name} is no secret`, {
        field: `/secrets/${name}`,
        fix: 'Send it in settings.',
      })
    }
  }
  const secrets = Object.entries({ ...stored, ...parts.secret, ...sent.secrets }).filter(([, value]) => value !== null)
  return { settings: parts.settings, secrets: Object.fromEntries(secrets) }
}

/** The same, and complete: settings and secrets together fit the kind's schema. */
export function completeSettings(
  config: z.ZodType,
  stored: Values,
  sent: { settings: Values; secrets?: Values | undefined },
) {
  const merged = mergeSettings(config, stored, sent)
  parseSettings(config, { ...merged.settings, ...merged.secrets })
  return merged
}
