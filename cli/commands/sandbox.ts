import type { Command } from 'commander'
import { askedToStop, say } from '../terminal.ts'

/** `sandbox`: every vendor without an account. What it starts is loaded only here. */
export function addSandbox(program: Command): void {
  program
    .command('sandbox')
    .description(
      'run a stand-in for every pulled source, with events that go on, and show the settings of each connector',
    )
    .option('--port <number>', 'port of the first stand-in; the others follow (free ports)', '0')
    .action(async ({ port }: { port: string }) => {
      const { runSandbox } = await import('../sandbox/sandbox.ts')
      await runSandbox({ firstPort: Number(port), say, until: askedToStop() })
    })
}
