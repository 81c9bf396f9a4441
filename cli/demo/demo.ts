import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { AppError, isAppError } from '../../domain/errors.ts'
import { acquireLock } from '../embedded/lock.ts'
import { type Installation, startInstallation } from '../installation.ts'
import { addDestinations, connectSources } from './chapters/connecting.ts'
import { decide } from './chapters/deciding.ts'
import { importAll } from './chapters/importing.ts'
import { verify } from './chapters/proving.ts'
import { tell } from './chapters/telling.ts'
import { watch } from './chapters/watching.ts'
import { demoFolder, type Home, openHome, type PlotOptions } from './home.ts'
import { type Outside, openOutside } from './outside.ts'
import { emptyReport, type Report } from './report.ts'
import { scan } from './scan/scan.ts'
import { count, createScreen, duration, type Screen } from './screen.ts'
import { openStaff } from './staff.ts'
import type { Story } from './story.ts'
import { whereToLook } from './where-to-look.ts'

export interface DemoOptions extends PlotOptions {
  /** End when the story is told instead of staying up. */
  once: boolean
  /** Begin anew, whatever an earlier start left behind. */
  fresh: boolean
  /** Where the figures go. */
  reportFile?: string | undefined
}

/** Plays its stories on a platform of its own. True when every stage was verified. */
export async function demo(options: DemoOptions, asked: Promise<void>): Promise<boolean> {
  const screen = createScreen()
  const startedAt = performance.now()
  const folder = useFolder()
  mkdirSync(folder, { recursive: true })
  const lock = acquireLock(folder)
  const ends: (() => Promise<unknown>)[] = [async () => lock.release()]
  const end = async () => {
    for (const each of ends.splice(0).reverse()) await each()
  }
  let report: Report | undefined
  try {
    const home = await openHome(folder, { fresh: options.fresh, options, say: screen.say })
    report = emptyReport(home)
    greet(screen, home)
    const told = tellStory({ home, screen, report, ends, lock })
    const stopped = Symbol('stopped')
    const outcome = await Promise.race([told, asked.then(() => stopped)])
    if (typeof outcome === 'symbol') {
      screen.say('\nstopping …')
      told.catch(() => {})
      throw new AppError('demo_failed', 'the demo was stopped before its story was told', {
        fix: 'Start it again: it goes on where it was.',
      })
    }
    report.verified = true
    whereToLook(outcome)
    screen.say(`\nEverything was verified in ${duration(performance.now() - startedAt)}.`)
    if (!options.once) {
      screen.say('It all stays up until you press Ctrl-C.')
      await Promise.race([asked, outcome.installation.done])
      screen.say('\nstopping …')
    }
    return true
  } catch (error) {
    const { code, message } = isAppError(error) ? error : { code: 'internal', message: String(error) }
    if (report) report.failure = { code, detail: message }
    throw error
  } finally {
    if (report && options.reportFile) writeReport(options.reportFile, report, performance.now() - startedAt)
    await end()
  }
}

/** Everything of the demo is in one directory; the receivers it starts are on this machine. */
function useFolder(): string {
  const folder = demoFolder()
  process.env['OPENIRM_DATA_DIR'] = folder
  process.env['OPENIRM_LOG_FILE'] ??= path.join(folder, 'openirm.log')
  process.env['OPENIRM_ALLOW_PRIVATE_ADDRESSES'] = 'true'
  // A remark about the years to come has no place in a story.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  return folder
}

function greet(screen: Screen, { plot, isNew, folder }: Home): void {
  screen.chapter(
    'OpenIRM demo',
    'three stories: who takes data along, who looks up the neighbours, who comes back by night?',
  )
  screen.table([
    [
      'story',
      `${isNew ? 'new' : 'goes on where it was'}, seed ${plot.seed}, ${count(plot.people)} people, ${plot.weeks} weeks to ${plot.until.slice(0, 16)}Z`,
    ],
    ['directory', path.relative(process.cwd(), folder) || folder],
  ])
}

interface Begun {
  home: Home
  screen: Screen
  report: Report
  ends: (() => Promise<unknown>)[]
  lock: ReturnType<typeof acquireLock>
}

async function tellStory({ home, screen, report, ends, lock }: Begun): Promise<Story> {
  const timed = async <T>(stage: string, work: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now()
    try {
      return await work()
    } finally {
      report.stagesMs[stage] = Math.round(performance.now() - startedAt)
    }
  }
  screen.chapter('Start', 'everything runs on this machine')
  const outside: Outside = await timed('organisation', () => organisation(home, screen, ends))
  const installation: Installation = await timed('start', () => start(screen, ends, lock))
  const staff = await openStaff(home, installation.platform.deps.db, installation.url)
  const story: Story = { home, outside, installation, staff, screen, report }
  // A worker that ended unasked ends the story.
  const lost = installation.done.then(() => {
    throw new AppError('internal', 'the workers ended unasked', { fix: `See ${home.file('openirm.log')}.` })
  })
  lost.catch(() => {})
  const chapters = async () => {
    const connectors = await timed('connect', () => connectSources(story))
    const destinations = await timed('destinations', () => addDestinations(story))
    await timed('import', () => importAll(story, connectors))
    const watched = await timed('watch', () => watch(story, connectors))
    await timed('decide', () => decide(story, watched))
    await timed('tell', () => tell(story, destinations))
    screen.chapter('Prove', 'nothing was altered, and nobody is named anywhere')
    await timed('verify', () => verify(story))
    await timed('privacyScan', () => scan(story))
  }
  await Promise.race([chapters(), lost])
  return story
}

function organisation(home: Home, screen: Screen, ends: Begun['ends']): Promise<Outside> {
  return screen
    .step(
      'An organisation',
      async (line) => {
        const outside = await openOutside(home)
        ends.push(async () => outside[Symbol.asyncDispose]())
        const objects = await outside.fillBucket((number) => line.show(`${count(number)} log files written`))
        return { outside, objects }
      },
      ({ outside, objects }) =>
        `${count(home.plot.people)} people who do not exist, ${count(outside.hospital.staff.length)} more in its hospital; ${count(objects)} log files in a bucket`,
    )
    .then(({ outside }) => outside)
}

function start(screen: Screen, ends: Begun['ends'], lock: Begun['lock']): Promise<Installation> {
  const said: string[] = []
  return screen
    .step(
      'PostgreSQL and Temporal',
      async (line) => {
        const installation = await startInstallation((text) => {
          said.push(text)
          line.show(text)
        }, lock)
        ends.push(installation.stop)
        return installation
      },
      () => 'with API and workers in this process',
    )
    .finally(() => {
      for (const text of said) screen.note(text)
    })
}

function writeReport(file: string, report: Report, tookMs: number): void {
  report.tookMs = Math.round(tookMs)
  const folder = path.dirname(path.resolve(file))
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true })
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
}
