import type { Command } from 'commander'
import { runExamples } from '../../policies/examples.ts'
import { loadIndicators } from '../../policies/load.ts'
import { withDatabase } from '../environment.ts'
import { say } from '../terminal.ts'

export function addPolicy(program: Command): void {
  program
    .command('policy')
    .description('the indicators that policies are made of')
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
}
