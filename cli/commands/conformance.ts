import type { Command } from 'commander'
import { complain, NOTHING_TRIED, say } from '../terminal.ts'

/** `conformance`: what a connector's author runs. What it starts is loaded only here. */
export function addConformance(program: Command): void {
  program
    .command('conformance')
    .description('try pull connectors against everything their sources do, on a database that is thrown away')
    .argument('[kind...]', 'connector kinds')
    .option('--all', 'every pull connector')
    .option('--only <scenarios>', 'ids of scenarios, separated by commas')
    .action(async (kinds: string[], { all = false, only }: { all?: boolean; only?: string }) => {
      if (kinds.length === 0 && !all) {
        complain('Name a connector kind, or --all.')
        process.exitCode = NOTHING_TRIED
        return
      }
      const { tryConnectors } = await import('../conformance/try.ts')
      const passed = await tryConnectors({ kinds: all ? null : kinds, only: only?.split(','), say })
      process.exitCode = passed ? 0 : 1
    })
}
