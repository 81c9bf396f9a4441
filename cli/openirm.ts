import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { createDatabase, createPool, type Database } from '../db/connection.ts'
import { createKeyRing, loadKeyRing, withNewKey, writeKeyRing } from '../db/keyring.ts'
import { migrate } from '../db/migrate.ts'
import { resealAll, Vault } from '../db/vault.ts'
import { type Verification, verifyAudit, verifyExports, verifyReceipts } from '../db/verify.ts'
import { AppError, isAppError } from '../domain/errors.ts'
import { runExamples } from '../policies/examples.ts'
import { loadIndicators } from '../policies/load.ts'
import type { Queue } from '../worker/worker.ts'
import { keyRingFile, openPlatform } from './platform.ts'
import { announceFirstAdmin, serveApi } from './serving.ts'
import { up } from './up.ts'

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const program = new Command('openirm').description('Insider-risk integration platform')

program
  .command('up')
  .description('start PostgreSQL, Temporal with its UI, API and workers; data is kept under .openirm/')
  .action(() => up(say, asked()))

program
  .command('serve')
  .description('serve the API against DATABASE_URL and TEMPORAL_ADDRESS')
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('--port <number>', 'port to listen on', '8080')
  .action(async ({ host, port }: { host: string; port: string }) => {
    const ring = loadKeyRing(keyRingFile())
    await using platform = await openPlatform(ownServers(), ring)
    const uiOrigin = process.env['OPENIRM_TEMPORAL_UI_ORIGIN']
    const server = await serveApi(platform.deps, ring, { host, port: Number(port), uiOrigin })
    await announceFirstAdmin(platform.deps, say)
    say(`serving ${server.url}`)
    await asked()
    await server.close()
  })

program
  .command('work')
  .description('serve task queues against DATABASE_URL and TEMPORAL_ADDRESS')
  .option('--queues <names>', 'imports,evaluation,triage,exports', 'imports,evaluation,triage,exports')
  .action(async ({ queues }: { queues: string }) => {
    await using platform = await openPlatform(ownServers(), loadKeyRing(keyRingFile()))
    const workers = await platform.work(queues.split(',') as Queue[])
    say('working')
    await Promise.race([asked(), workers.done])
    await workers.stop()
  })

program
  .command('migrate')
  .description('bring the schema of DATABASE_URL up to date')
  .action(() =>
    withDatabase(async (db) => {
      const applied = await migrate(db)
      say(applied.length === 0 ? 'the schema is up to date' : applied.join('\n'))
    }),
  )

const verifications: Record<string, (db: Database) => Promise<Verification>> = {
  receipts: verifyReceipts,
  audit: verifyAudit,
  exports: verifyExports,
}
program
  .command('verify')
  .argument('[what...]', Object.keys(verifications).join(', '), Object.keys(verifications))
  .description('recompute scores, the audit chain and export sequences; exits 1 at the first untruth')
  .action((what: string[]) =>
    withDatabase(async (db) => {
      for (const name of what) {
        const verification = verifications[name]
        if (!verification) throw new AppError('invalid_request', `there is nothing named ${name} to verify`)
        const { checked, untruth } = await verification(db)
        say(`${name}: ${untruth === null ? `${checked} checked, all true` : `UNTRUE after ${checked}: ${untruth}`}`)
        if (untruth !== null) process.exitCode = 1
      }
    }),
  )

program
  .command('policy')
  .command('test')
  .description('run the examples of every indicator file; DATABASE_URL may be an empty, migrated database')
  .action(() =>
    withDatabase(async (db) => {
      const results = await runExamples(db, loadIndicators(process.env['OPENIRM_INDICATORS_DIR']).values())
      for (const { indicatorId, example, expected, found, passed } of results) {
        say(
          `${passed ? 'ok    ' : 'FAILED'} ${indicatorId}: ${example}${passed ? '' : ` (expected ${expected}, found ${found})`}`,
        )
      }
      if (results.some(({ passed }) => !passed)) process.exitCode = 1
    }),
  )

const keys = program.command('keys').description('the key ring of sealed values and workflow payloads')
keys
  .command('create')
  .description('make a key ring where there is none')
  .action(() => {
    if (existsSync(keyRingFile())) throw new AppError('state_conflict', `${keyRingFile()} exists already`)
    writeKeyRing(keyRingFile(), createKeyRing())
    say(`wrote ${keyRingFile()}; keep a copy where the database backup is not`)
  })
keys
  .command('rotate')
  .description('add a key, seal everything anew under it; older keys stay for older payloads')
  .action(() =>
    withDatabase(async (db) => {
      const ring = withNewKey(loadKeyRing(keyRingFile()))
      writeKeyRing(keyRingFile(), ring)
      const { resealed } = await resealAll(db, new Vault(ring))
      say(`key ${ring.current} is current; ${resealed} values were sealed anew. Restart workers that still run.`)
    }),
  )

const ownServers = () => ({
  databaseUrl: required('DATABASE_URL'),
  temporalAddress: required('TEMPORAL_ADDRESS'),
  ...(process.env['TEMPORAL_NAMESPACE'] ? { namespace: process.env['TEMPORAL_NAMESPACE'] } : {}),
})

async function withDatabase(work: (db: Database) => Promise<void>): Promise<void> {
  const db = createDatabase(createPool(required('DATABASE_URL'), { max: 2 }))
  try {
    await work(db)
  } finally {
    await db.destroy()
  }
}

function required(variable: string): string {
  const value = process.env[variable]
  if (!value)
    throw new AppError('invalid_request', `${variable} is not set`, { fix: `Set ${variable} and run it again.` })
  return value
}

const asked = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(
    isAppError(error) ? `${error.code}: ${error.message}\n${error.fix ?? ''}\n` : `${String(error)}\n`,
  )
  process.exitCode = 1
}
