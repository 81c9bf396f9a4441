import { type Command, InvalidArgumentError, Option } from 'commander'
import { askedToStop } from '../terminal.ts'

interface Asked {
  once?: boolean
  report?: string
  fresh?: boolean
  resume?: boolean
  people?: number
  seed?: string
  until?: string
}

/** `demo`: the platform with a story. What it starts beside the platform is loaded only here. */
export function addDemo(program: Command): void {
  program
    .command('demo')
    .description(
      'play three stories, from the source to the SIEM, on a platform of its own, under demo/ of the data directory',
    )
    .option('--once', 'end when the story is told; exit 0 only if every stage was verified')
    .option('--report <file>', 'write the figures as JSON')
    .addOption(new Option('--fresh', 'begin anew; the default with --once').conflicts('resume'))
    .addOption(new Option('--resume', 'go on with the story that is there; the default without --once'))
    .option('--people <number>', 'size of the organisation, 30 to 100000 (200)', wholeNumber)
    .option('--seed <text>', 'the same seed tells the same story (7)')
    .option('--until <instant>', "end of the organisation's history, ISO 8601 (now)", instant)
    .action(async ({ once = false, report, fresh, resume, people, seed, until }: Asked) => {
      const { demo } = await import('../demo/demo.ts')
      const verified = await demo(
        { once, fresh: fresh ?? (once && !resume), reportFile: report, people, seed, until },
        askedToStop(),
      )
      // The Temporal client keeps the process a while; nothing is left to do.
      process.exit(verified ? 0 : 1)
    })
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Give a whole number.')
  return Number(text)
}

function instant(text: string): string {
  const at = new Date(text)
  if (Number.isNaN(at.getTime())) throw new InvalidArgumentError('Give an instant such as 2026-11-24T12:00:00Z.')
  return at.toISOString()
}
