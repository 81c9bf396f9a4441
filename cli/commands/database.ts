import type { Command } from 'commander'
import type { Database } from '../../db/connection.ts'
import { migrate } from '../../db/migrate.ts'
import { type Verification, verifyAudit, verifyExports, verifyImports, verifyReceipts } from '../../db/verify.ts'
import { AppError } from '../../domain/errors.ts'
import { loadIndicators, syncIndicators } from '../../policies/load.ts'
import { withDatabase } from '../environment.ts'
import { say } from '../terminal.ts'

/** What `verify` recomputes, by its argument. */
export const VERIFICATIONS: Record<string, (db: Database) => Promise<Verification>> = {
  receipts: verifyReceipts,
  audit: verifyAudit,
  exports: verifyExports,
  imports: verifyImports,
}

/** `migrate` and `verify`. */
export function addDatabase(program: Command): void {
  program
    .command('migrate')
    .description('bring the schema of DATABASE_URL and its indicators up to date')
    .action(() =>
      withDatabase(
        async (db) => {
          const applied = await migrate(db)
          say(applied.length === 0 ? 'the schema is up to date' : applied.join('\n'))
          const added = await syncIndicators(db, loadIndicators(process.env['OPENIRM_INDICATORS_DIR']).values())
          if (added.length > 0) say(`indicators: ${added.join(', ')}`)
        },
        { anySchema: true },
      ),
    )

  program
    .command('verify')
    .argument('[what...]', Object.keys(VERIFICATIONS).join(', '), Object.keys(VERIFICATIONS))
    .description(
      'recompute scores, the audit chain, export sequences and the balances of imports; exits 1 at the first untruth',
    )
    .action((what: string[]) =>
      withDatabase(async (db) => {
        for (const name of what) {
          const verification = VERIFICATIONS[name]
          if (!verification) throw new AppError('invalid_request', `there is nothing named ${name} to verify`)
          const { checked, untruth } = await verification(db)
          say(`${name}: ${untruth === null ? `${checked} checked, all true` : `UNTRUE after ${checked}: ${untruth}`}`)
          if (untruth !== null) process.exitCode = 1
        }
      }),
    )
}
