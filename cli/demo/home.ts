import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../domain/errors.ts'
import { dataDirectory } from '../data-directory.ts'
import { clearEmbedded } from '../embedded/embedded.ts'
import { freePort } from '../embedded/ports.ts'

/** What a story is made of. Written before anything else happens, so that a restart tells the same story. */
export interface Plot {
  version: 2
  seed: string
  people: number
  weeks: number
  /** End of the organisation's history, ISO. */
  until: string
  /** Ports of the receivers and the log bucket: they are in the settings that the platform keeps. */
  ports: { s3: number; dropbox: number; webhook: number; syslog: number }
  webhookSecret: string
}

export interface PlotOptions {
  seed?: string | undefined
  people?: number | undefined
  until?: string | undefined
}

export interface Home {
  folder: string
  plot: Plot
  /** False when this start goes on with an earlier one's story. */
  isNew: boolean
  file(name: string): string
}

/** Of the plot's form; raised when a story has other parts. */
const VERSION = 2
const DEFAULT_SEED = '7'
const DEFAULT_PEOPLE = 200
const WEEKS = 6
const MINUTE_MS = 60_000

/** The demo keeps its data apart: `npm start` has its own. */
export const demoFolder = (): string => path.join(dataDirectory(), 'demo')

/**
 * Opens the demo's directory, with what an earlier start left in it unless `fresh`. A directory without a plot was
 * being cleared or had only begun: it is cleared again. Throws settings_invalid for another story than the one under way.
 */
export async function openHome(
  folder: string,
  { fresh, options, say }: { fresh: boolean; options: PlotOptions; say: (text: string) => void },
): Promise<Home> {
  const file = (name: string): string => path.join(folder, name)
  const plotFile = file('story.json')
  const isNew = fresh || !existsSync(plotFile)
  if (isNew) {
    // From here on a start that finds no plot begins anew, however far this one comes.
    rmSync(plotFile, { force: true })
    await clearEmbedded(folder, { info: say })
    const ports = {
      s3: (await freePort()).port,
      dropbox: (await freePort()).port,
      webhook: (await freePort()).port,
      syslog: (await freePort()).port,
    }
    const plot: Plot = {
      version: VERSION,
      seed: options.seed ?? DEFAULT_SEED,
      people: options.people ?? DEFAULT_PEOPLE,
      weeks: WEEKS,
      until: options.until ?? new Date(Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS).toISOString(),
      ports,
      webhookSecret: `whsec_${randomBytes(32).toString('base64')}`,
    }
    writeWhole(plotFile, plot)
    return { folder, plot, isNew, file }
  }
  const plot = JSON.parse(readFileSync(plotFile, 'utf8')) as Plot
  if (plot.version !== VERSION) {
    throw new AppError('settings_invalid', `the story in ${folder} was begun by another version of OpenIRM`, {
      fix: 'Begin anew with --fresh.',
    })
  }
  for (const name of ['seed', 'people', 'until'] as const) {
    if (options[name] === undefined || options[name] === plot[name]) continue
    throw new AppError('settings_invalid', `the story in ${folder} has ${name} ${plot[name]}, not ${options[name]}`, {
      field: name,
      fix: `Leave --${name} out to go on with it, or begin anew with --fresh.`,
    })
  }
  return { folder, plot, isNew, file }
}

/** A file that is there whole or not at all, for the owner alone. */
export function writeWhole(file: string, content: unknown): void {
  const next = `${file}.next`
  writeFileSync(next, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
  renameSync(next, file)
}
