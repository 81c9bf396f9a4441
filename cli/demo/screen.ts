import { stripVTControlCharacters, styleText } from 'node:util'

/** What the person at the terminal sees. Colours and the moving line only on a terminal that wants them. */
export interface Screen {
  /** A heading with a line of explanation. */
  chapter(title: string, says?: string): void
  /**
   * Shows that work is under way, then how it ended and how long it took. Steps may be under way at once: each has its
   * moving line. What is told after the first sentence stands beneath.
   */
  step<T>(title: string, work: (line: Line) => Promise<T>, ended: (result: T) => string | readonly string[]): Promise<T>
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

type Style = Parameters<typeof styleText>[0]

export function createScreen(out: NodeJS.WriteStream = process.stdout, env = process.env): Screen {
  const moving = out.isTTY === true && env['TERM'] !== 'dumb'
  const coloured = env['FORCE_COLOR'] ? env['FORCE_COLOR'] !== '0' : moving && !env['NO_COLOR']
  const styled = (style: Style, text: string): string =>
    coloured ? styleText(style, text, { validateStream: false }) : text
  const region = new MovingLines(out, moving)
  const line = region.print

  const row = (mark: string, title: string, detail: string): string =>
    `  ${mark} ${title.padEnd(TITLE_WIDTH)}  ${detail}`.trimEnd()
  const note = (text: string): void => line(`      ${styled('dim', text)}`)

  return {
    chapter(title, says) {
      line('')
      line(`${styled('bold', title)}${says ? `  ${styled('dim', says)}` : ''}`)
    },
    async step(title, work, ended) {
      const startedAt = performance.now()
      let words = ''
      const leave = region.enter((frame) => {
        const mark = styled('cyan', FRAMES[frame % FRAMES.length] as string)
        return row(mark, title, styled('dim', words))
      })
      const end = (mark: string, detail: string) => {
        leave()
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
        const [detail = '', ...beneath] = [ended(result)].flat()
        end(styled('green', '✔'), detail)
        for (const text of beneath) note(text)
        return result
      } catch (error) {
        end(styled('red', '✘'), '')
        throw error
      }
    },
    note,
    table(rows) {
      const widest = Math.max(...rows.map(([name]) => name.length))
      for (const [name, value] of rows) line(`  ${styled('dim', name.padEnd(widest))}  ${value}`)
    },
    say: line,
  }
}

/** The last lines of a terminal, which are drawn anew while work is under way; what is printed goes above them. */
class MovingLines {
  readonly #out: NodeJS.WriteStream
  readonly #moving: boolean
  readonly #lines = new Set<(frame: number) => string>()
  #frame = 0
  #drawn = 0
  #timer: NodeJS.Timeout | undefined

  constructor(out: NodeJS.WriteStream, moving: boolean) {
    this.#out = out
    this.#moving = moving
  }

  readonly print = (text: string): void => {
    this.#out.write(`${this.#erasure()}${text}\n`)
    this.#draw()
  }

  /** Adds a line; the answer takes it away. */
  enter(line: (frame: number) => string): () => void {
    this.#lines.add(line)
    if (this.#moving) this.#timer ??= setInterval(() => this.#draw(), FRAME_MS)
    return () => {
      this.#lines.delete(line)
      if (this.#lines.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  #draw(): void {
    if (!this.#moving) return
    const before = this.#erasure()
    this.#frame += 1
    const lines = [...this.#lines].map((line) => this.#fitted(line(this.#frame)))
    this.#drawn = lines.length
    this.#out.write(before + lines.map((text) => `${text}\n`).join(''))
  }

  #erasure(): string {
    const lines = this.#drawn
    this.#drawn = 0
    return lines === 0 ? '' : `\u001b[${lines}A\r\u001b[J`
  }

  /** A line that wraps could not be taken away again. */
  #fitted(text: string): string {
    const room = Math.max(this.#out.columns ?? 100, 40) - 1
    const plain = stripVTControlCharacters(text)
    return plain.length <= room ? text : `${plain.slice(0, room - 1)}…`
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
