import { type Command, InvalidArgumentError } from 'commander'
import { isAppError } from '../../domain/errors.ts'
import { apiClient } from '../api-client.ts'
import { required, setting } from '../environment.ts'
import { importFiles } from '../importing/import-files.ts'
import { NOTHING_TRIED, reportFailure, screen } from '../terminal.ts'

const DEFAULT_API = 'http://127.0.0.1:8080'

interface Options {
  api?: string
  token?: string
  name: string
  rejects: number
}

/** Against the API: whoever sends files has a token and no access to the database. */
export function addImport(program: Command): void {
  program
    .command('import')
    .description('send files to a connector, wait for their imports, show what became of them')
    .argument('<connector>', 'id or name')
    .argument('<file...>', 'paths; - is standard input')
    .option('--api <url>', `address of the API (or OPENIRM_API; ${DEFAULT_API} otherwise)`)
    .option('--token <token>', 'better by OPENIRM_TOKEN or OPENIRM_TOKEN_FILE, which other users do not see')
    .option('--name <name>', 'name of what comes by standard input', 'stdin.csv')
    .option('--rejects <number>', 'rejected rows shown per file at most', countOf, 20)
    .addHelpText(
      'after',
      '\nExit code: 0 everything was stored, 1 rows were rejected or an import failed, 2 a file could not be sent.',
    )
    .action(async (connector: string, files: string[], options: Options) => {
      try {
        const api = apiClient(
          options.api ?? setting('OPENIRM_API') ?? DEFAULT_API,
          options.token ?? required('OPENIRM_TOKEN'),
        )
        process.exitCode = await importFiles(
          api,
          { connector, files, stdinName: options.name, stdin: process.stdin, showRejected: options.rejects },
          screen(),
        )
      } catch (error) {
        if (!isAppError(error)) throw error
        reportFailure(error)
        process.exitCode = NOTHING_TRIED
      }
    })
}

function countOf(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) === 0) throw new InvalidArgumentError('a number from 1 to 99999')
  return Number(text)
}
