/** The measurements: `npm run bench -- <name> --help`. */
import { Command } from 'commander'
import { importBench } from './import/command.ts'

await new Command('bench').description('measurements of this machine').addCommand(importBench).parseAsync()
// The world of the tests, in which runs are measured, keeps the thread of its workers for the next ones.
process.exit()
