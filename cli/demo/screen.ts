import { stripVTControlCharacters, styleText } from 'node:util'

/** What the person at the terminal sees. Colours and the moving line only on a terminal that wants them. */
export interface Screen {
  /** A heading with a line of explanation. */
  chapter(title: string, says?: string): void
  /** Shows that work is under way, then how it ended and how long it took. */
  step<T>(title: string, work: (line: Line) => Promise<T>, ended: (result: T) => string): Promise<T>
  /** A sentence beneath a step. */
  note(text: string): void
  /** Names with values, one under the other. */
  table(rows: readonly (readonly [string, string])[]): void
  say(text: string): void
}

export interface Line {
  /** Words behind the title while it is under way. */
  show(text: string): void
  /** The same with a bar. */
  progress(done: number, whole: number, of: string): void
}

const TITLE_WIDTH = 26
const BAR_WIDTH = 20
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const FRAME_MS = 90
const CLEAR_LINE = '\r\u001b[2K'

type Style = Parameters<typeof styleText>[0]

export function createScreen(out: NodeJS.WriteStream = process.stdout, env = process.env): Screen {
  const moving = out.isTTY === true && env['TERM'] !== 'dumb'
  const coloured = env['FORCE_COLOR'] ? env['FORCE_COLOR'] !== '0' : moving && !env['NO_COLOR']
  const styled = (style: Style, text: string): string =>
    coloured ? styleText(style, text, { validateStream: false }) : text
  const write = (text: string): void => void out.write(text)
  const line = (text: string): void => write(`${text}\n`)
  const width = (): number => (moving ? Math.max(out.columns ?? 100, 40) : Number.POSITIVE_INFINITY)

  const fitted = (text: string): string => {
    const room = width() - 1
    return stripVTControlCharacters(text).length <= room
      ? text
      : `${stripVTControlCharacters(text).slice(0, room - 1)}…`
  }
  const row = (mark: string, title: string, detail: string): string =>
    `  ${mark} ${title.padEnd(TITLE_WIDTH)}  ${detail}`.trimEnd()

  return {
    chapter(title, says) {
      line('')
      line(`${styled('bold', title)}${says ? `  ${styled('dim', says)}` : ''}`)
    },
    async step(title, work, ended) {
      const startedAt = performance.now()
      let words = ''
      let frame = 0
      const draw = () => {
        const mark = styled('cyan', FRAMES[frame++ % FRAMES.length] as string)
        write(CLEAR_LINE + fitted(row(mark, title, styled('dim', words))))
      }
      const timer = moving ? setInterval(draw, FRAME_MS) : undefined
      const end = (mark: string, detail: string) => {
        if (timer) clearInterval(timer)
        if (moving) write(CLEAR_LINE)
        line(`${row(mark, title, detail)}  ${styled('dim', duration(performance.now() - startedAt))}`)
      }
      try {
        const result = await work({
          show: (text) => {
            words = text
          },
          progress: (done, whole, of) => {
            words = `${bar(done, whole)} ${count(done)} of ${count(whole)} ${of}`
          },
        })
        end(styled('green', '✔'), ended(result))
        return result
      } catch (error) {
        end(styled('red', '✘'), '')
        throw error
      }
    },
    note: (text) => line(`      ${styled('dim', text)}`),
    table(rows) {
      const widest = Math.max(...rows.map(([name]) => name.length))
      for (const [name, value] of rows) line(`  ${styled('dim', name.padEnd(widest))}  ${value}`)
    },
    say: line,
  }
}

const bar = (done: number, whole: number): string => {
  const full = whole === 0 ? BAR_WIDTH : Math.min(BAR_WIDTH, Math.round((done / whole) * BAR_WIDTH))
  return '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full)
}

export const duration = (ms: number): string => (ms < 950 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`)

/** Whole numbers with thousands apart. */
export const count = (value: number): string => value.toLocaleString('en-US')

/** "3 alerts", "1 alert". */
export const some = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`
