import { isAppError } from '../domain/errors.ts'

/** Exit code where a command was not understood or nothing could be tried. */
export const NOTHING_TRIED = 2

export const say = (text: string): void => void process.stdout.write(`${text}\n`)
export const complain = (text: string): void => void process.stderr.write(`${text}\n`)

/** Code, what is wrong and how to mend it; of an unexpected failure what there is. */
export const reportFailure = (error: unknown): void =>
  complain(isAppError(error) ? `${error.code}: ${error.message}${error.fix ? `\n${error.fix}` : ''}` : String(error))

/** Settles when somebody asks the process to stop: Ctrl-C or SIGTERM. */
export const askedToStop = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })

export interface Screen {
  /** Results. */
  say(text: string): void
  /** What went wrong. */
  complain(text: string): void
  /** A line that the next one replaces; nothing where nobody watches. */
  progress(text: string): void
}

const ERASE_LINE = '\r\u001b[2K'

/** Results on standard output, troubles and, where somebody watches, progress on standard error. */
export function screen(): Screen {
  const watched = process.stderr.isTTY === true
  const erase = () => void (watched && process.stderr.write(ERASE_LINE))
  return {
    say(text) {
      erase()
      say(text)
    },
    complain(text) {
      erase()
      complain(text)
    },
    progress(text) {
      if (watched) process.stderr.write(`${ERASE_LINE}${text}`)
    },
  }
}
