import type { SourceRecord } from '../connector.ts'

/** Records that were read in one go, and how much text they took. */
export interface Run<R> {
  records: SourceRecord<R>[]
  characters: number
}

/**
 * Records in runs, as a reader of files makes them: waiting once per run instead of once per record is what lets an
 * import keep up with the database. Whoever does not care iterates records.
 */
export class Batches<R> implements AsyncIterable<SourceRecord<R>> {
  readonly #runs: AsyncIterable<Run<R>>

  constructor(runs: AsyncIterable<Run<R>>) {
    this.#runs = runs
  }

  runs(): AsyncIterable<Run<R>> {
    return this.#runs
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SourceRecord<R>> {
    for await (const { records } of this.#runs) yield* records
  }
}
