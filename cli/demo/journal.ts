import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs'
import path from 'node:path'

/**
 * What a receiver got, one JSON line each, written before it says thank you: a receiver that is killed has lost nothing
 * that it acknowledged.
 */
export class Journal<Entry> {
  readonly file: string
  readonly #entries: Entry[]

  constructor(file: string) {
    this.file = file
    mkdirSync(path.dirname(file), { recursive: true })
    const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
    // A line without its end was being written when the process was killed; it was never acknowledged.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    if (whole.length < text.length) truncateSync(file, Buffer.byteLength(whole))
    this.#entries = whole
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Entry)
  }

  get entries(): readonly Entry[] {
    return this.#entries
  }

  add(entry: Entry): void {
    appendFileSync(this.file, `${JSON.stringify(entry)}\n`, { mode: 0o600 })
    this.#entries.push(entry)
  }
}
