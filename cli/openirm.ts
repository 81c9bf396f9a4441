import { Command, CommanderError } from 'commander'
import { isAppError } from '../domain/errors.ts'
import { addDatabase } from './commands/database.ts'
import { addKeys } from './commands/keys.ts'
import { addPolicy } from './commands/policy.ts'
import { addRunning } from './commands/running.ts'
import { complain } from './terminal.ts'

/** The command was not understood; nothing was tried. */
const MISUNDERSTOOD = 2

const program = new Command('openirm').description('Insider-risk integration platform').exitOverride()
for (const add of [addRunning, addDatabase, addPolicy, addKeys]) add(program)

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : MISUNDERSTOOD
  else {
    complain(isAppError(error) ? `${error.code}: ${error.message}\n${error.fix ?? ''}` : String(error))
    process.exitCode = 1
  }
}
