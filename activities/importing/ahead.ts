import { once } from 'node:events'
import { Readable } from 'node:stream'

type Read<T> = { value: T } | { fault: unknown }

/**
 * Reads ahead of whoever takes the parts, so many of them. A fault of the source is told behind the parts that were read
 * before it.
 */
export class ReadAhead<T> implements AsyncDisposable {
  readonly #stream: Readable
  readonly #parts: AsyncIterator<Read<T>>
  #next: Promise<T | undefined> | undefined

  constructor(source: AsyncIterable<T>, parts: number) {
    this.#stream = Readable.from(withFault(source), { highWaterMark: parts })
    this.#parts = this.#stream[Symbol.asyncIterator]()
    // Reading begins now, whenever the first part is asked for.
    void this.#peek()
  }

  /** The next part if it comes within so many milliseconds; it is still the next one. A fault is left to `take`. */
  async ready(ms: number): Promise<T | undefined> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, ms, undefined)
    })
    try {
      return await Promise.race([this.#peek(), late])
    } catch {
      return undefined
    } finally {
      clearTimeout(timer)
    }
  }

  /** The next part; undefined behind the last one. */
  async take(): Promise<T | undefined> {
    const part = await this.#peek()
    this.#next = undefined
    return part
  }

  #peek(): Promise<T | undefined> {
    if (this.#next === undefined) {
      this.#next = this.#read()
      // Whoever takes it is told; until then it must not end the process.
      this.#next.catch(() => {})
    }
    return this.#next
  }

  async #read(): Promise<T | undefined> {
    const { done, value } = await this.#parts.next()
    if (done) return undefined
    if ('fault' in value) throw value.fault
    return value.value
  }

  /** Ends the reading, and waits until it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stream.closed) return
    const closed = once(this.#stream, 'close')
    this.#stream.destroy()
    await closed
  }
}

async function* withFault<T>(source: AsyncIterable<T>): AsyncGenerator<Read<T>> {
  try {
    for await (const value of source) yield { value }
  } catch (fault) {
    yield { fault }
  }
}
