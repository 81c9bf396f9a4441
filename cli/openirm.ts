import { Command, CommanderError } from 'commander'
import { addConformance } from './commands/conformance.ts'
import { addDatabase } from './commands/database.ts'
import { addDemo } from './commands/demo.ts'
import { addImport } from './commands/import.ts'
import { addKeys } from './commands/keys.ts'
import { addPolicy } from './commands/policy.ts'
import { addBundling, addRunning } from './commands/running.ts'
import { addSandbox } from './commands/sandbox.ts'
import { addToken } from './commands/token.ts'
import { NOTHING_TRIED, reportFailure } from './terminal.ts'

const program = new Command('openirm').description('Insider-risk integration platform').exitOverride()
const commands = [
  addRunning,
  addDemo,
  addSandbox,
  addImport,
  addToken,
  addDatabase,
  addPolicy,
  addConformance,
  addKeys,
  addBundling,
]
for (const add of commands) add(program)

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : NOTHING_TRIED
  else {
    reportFailure(error)
    process.exitCode = 1
  }
}
