import { readFileSync } from 'node:fs'
import { loadClientConnectConfig } from '@temporalio/envconfig'
import { createDatabase, createPool, type Database } from '../db/connection.ts'
import { AppError } from '../domain/errors.ts'
import { checkDatabase, checkSchema } from './checks.ts'
import type { PlatformAddresses } from './platform.ts'

/**
 * A setting out of the environment: `NAME`, or the content of the file that `NAME_FILE` names, which is how secrets
 * reach a container. Throws setting_missing where both are set or the file cannot be read.
 */
export function setting(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const value = env[name]
  const file = env[`${name}_FILE`]
  if (!file) return value || undefined
  if (value) {
    throw new AppError('setting_missing', `${name} and ${name}_FILE are both set`, { fix: 'Leave one of them out.' })
  }
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch (cause) {
    throw new AppError('setting_missing', `the file of ${name}_FILE cannot be read: ${file}`, {
      cause,
      fix: 'Correct the path, or let the user of this process read the file.',
    })
  }
}

export function required(name: string, env: NodeJS.ProcessEnv = process.env): string {
  const value = setting(name, env)
  if (value === undefined) {
    throw new AppError('setting_missing', `${name} is not set`, {
      fix: `Set ${name}, or ${name}_FILE to a file that holds it, and run it again.`,
    })
  }
  return value
}

/** A Temporal server by the variables that all of Temporal's tools read: TEMPORAL_ADDRESS, _NAMESPACE, _API_KEY, _TLS_… */
export function ownTemporal(): Pick<PlatformAddresses, 'temporalAddress' | 'namespace' | 'temporalAccess'> {
  const temporalAddress = required('TEMPORAL_ADDRESS')
  const apiKey = setting('TEMPORAL_API_KEY')
  const { connectionOptions, namespace } = loadClientConnectConfig({
    disableFile: true,
    overrideEnvVars: { ...(process.env as Record<string, string>), ...(apiKey ? { TEMPORAL_API_KEY: apiKey } : {}) },
  })
  const { tls } = connectionOptions
  return {
    temporalAddress,
    ...(namespace ? { namespace } : {}),
    temporalAccess: { ...(tls === undefined ? {} : { tls }), ...(apiKey === undefined ? {} : { apiKey }) },
  }
}

/** The servers of `serve` and `work`; unlike `up`, these start none. */
export const ownServers = (): PlatformAddresses => ({ databaseUrl: required('DATABASE_URL'), ...ownTemporal() })

/** Runs commands that need the database alone; its schema has to be that of this version unless told otherwise. */
export async function withDatabase(
  work: (db: Database) => Promise<void>,
  { anySchema = false }: { anySchema?: boolean } = {},
): Promise<void> {
  const db = createDatabase(createPool(required('DATABASE_URL'), { max: 2 }))
  try {
    await checkDatabase(db)
    if (!anySchema) await checkSchema(db)
    await work(db)
  } finally {
    await db.destroy()
  }
}

/** A setting that counts something, undefined where it is not set. Throws settings_invalid for what is no whole number in 1..most. */
export function countIn(
  env: NodeJS.ProcessEnv,
  name: string,
  most: number = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const text = env[name]
  if (text === undefined || text === '') return undefined
  const count = Number(text)
  if (Number.isSafeInteger(count) && count >= 1 && count <= most) return count
  throw new AppError('settings_invalid', `${name} is not a whole number from 1 to ${most}: ${text}`, {
    field: name,
    fix: `Set ${name} to such a number, or leave it out.`,
  })
}
