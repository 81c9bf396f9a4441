import { sql } from 'kysely'
import type { ActivityRows, StoredRows } from '../db/activity-rows.ts'
import { bigints, instants, texts } from '../db/binary.ts'
import type { Connection } from '../db/connection.ts'
import { Book, seenRevision } from './book.ts'
import { COUNTS, lockTouched, OUTSIDERS, touchedActivities } from './compile.ts'

/** The value of a dimension in `activity a`, as `identity_seen` keeps it. */
export const SEEN_VALUE = {
  container: sql`a.container_id::text`,
  network: sql`a.origin_network::text`,
  country: sql`a.origin_country`,
} as const

const DIMENSIONS = sql`lateral (values ('any', ''), ('container', a.container_id::text), ('network', a.origin_network::text),
                                          ('country', a.origin_country)) as met (dimension, value)`

const VALUES_AT_MOST = 2 ** 20
const ANY = 0

/** Meetings of a chunk, side by side: an object for each would take twice the memory until its transaction ends. */
export interface Meetings {
  identities: number[]
  /** Milliseconds. */
  instants: number[]
  dimensions: string[]
  /** A container's number, or the text that says where. */
  values: (number | string)[]
}

/**
 * The first meetings that one import has noted, so that most chunks of a log, in which nobody meets anything new, note
 * nothing: identity and number of a value → the earliest instant.
 */
export class MeetingBook extends Book {
  readonly #texts = new Map<string, number>()
  readonly #containers = new Map<number, number>()

  /** Takes the rows of a chunk; returns the meetings that come before what was noted. */
  take({ rows, order }: StoredRows): Meetings {
    const fresh: Meetings = { identities: [], instants: [], dimensions: [], values: [] }
    const meet = (row: number, dimension: string, value: number | string) => {
      fresh.identities.push(rows.identities[row] as number)
      fresh.instants.push(rows.instants[row] as number)
      fresh.dimensions.push(dimension)
      fresh.values.push(value)
    }
    const outsiders: ReadonlySet<string> = new Set(OUTSIDERS)
    if (this.#texts.size + this.#containers.size > VALUES_AT_MOST) this.#forgetValues()
    for (let n = 0; n < order.length; n += 1) {
      const row = order[n] as number
      if (outsiders.has(rows.actorKinds[row] as string)) continue
      const container = rows.containers[row] as number
      const { network, country } = rows.origins[row] as { network: string | null; country: string | null }
      if (!Number.isNaN(container) && this.#isFirst(rows, row, this.#number(this.#containers, container)))
        meet(row, 'container', container)
      const isNewNetwork = network === null || this.#isFirst(rows, row, this.#number(this.#texts, network))
      if (isNewNetwork && network !== null) meet(row, 'network', network)
      // Who was met with a network was met.
      if (isNewNetwork && this.#isFirst(rows, row, ANY)) meet(row, 'any', '')
      if (country !== null && this.#isFirst(rows, row, this.#number(this.#texts, country)))
        meet(row, 'country', country)
    }
    return fresh
  }

  #number<V>(values: Map<V, number>, value: V): number {
    const known = values.get(value)
    if (known !== undefined) return known
    const made = this.#texts.size + this.#containers.size + 1
    values.set(value, made)
    return made
  }

  #isFirst(rows: ActivityRows, row: number, value: number): boolean {
    return this.noted.lower(rows.identities[row] as number, value, rows.instants[row] as number)
  }

  #forgetValues(): void {
    this.noted.clear()
    this.#texts.clear()
    this.#containers.clear()
  }
}

/**
 * Notes the first meetings of what was just stored, none of which corrects or is corrected: those that come before what
 * the import had noted, chunk by chunk.
 */
export async function noteMeetings(
  tx: Connection,
  book: MeetingBook,
  chunks: readonly Meetings[],
  touched: string,
): Promise<void> {
  await lockTouched(tx, touched)
  // Behind the locks: whoever took away a meeting of these people has committed.
  if (book.forgetsAsOf(await seenRevision(tx))) {
    await noteStored(tx, touched)
    return
  }
  // One by one: what two of them meet first is noted by both where the later one has the earlier instant.
  for (const meetings of chunks) await insertMeetings(tx, meetings)
}

async function insertMeetings(tx: Connection, met: Meetings): Promise<void> {
  const count = met.identities.length
  if (count === 0) return
  // Most are new, and an insertion that may meet another row takes twice as long as one that cannot.
  await sql`
    with met as materialized (
      select met.*, known.first_at as known_at
      from unnest(${bigints(count, (n) => met.identities[n] as number)}::bigint[],
                  ${texts(count, (n) => met.dimensions[n] as string)}::text[],
                  ${texts(count, (n) => String(met.values[n]))}::text[],
                  ${instants(count, (n) => met.instants[n] as number)}::timestamptz[])
           as met (identity_id, dimension, value, first_at)
      left join lateral (
        select seen.first_at from identity_seen seen
        where seen.identity_id = met.identity_id and seen.dimension = met.dimension and seen.value = met.value offset 0
      ) known on true
    ), earlier as (
      insert into identity_seen (identity_id, dimension, value, first_at)
      select identity_id, dimension, value, first_at from met where first_at < known_at
      on conflict (identity_id, dimension, value) do update set first_at = excluded.first_at
    )
    insert into identity_seen (identity_id, dimension, value, first_at)
    select identity_id, dimension, value, first_at from met where known_at is null`.execute(tx)
}

/**
 * Notes when an identity was first met with a value; an earlier day that arrives late moves it back. A first meeting
 * whose record was corrected meanwhile moves on to the next one, or goes.
 */
export async function recomputeSeen(tx: Connection, touched: string): Promise<void> {
  await lockTouched(tx, touched)
  await noteStored(tx, touched)
  await takeAwayCorrected(tx, touched)
}

/** Notes what is stored of the touched days, whoever noted it before. */
async function noteStored(tx: Connection, touched: string): Promise<void> {
  await sql`
    with met as materialized (
      select a.identity_id, a.container_id, a.origin_network, a.origin_country, min(a.at) as at
      from ${touchedActivities(touched)} where ${COUNTS}
      group by 1, 2, 3, 4
    )
    insert into identity_seen (identity_id, dimension, value, first_at)
    select identity_id, dimension, value, min(at)
    from (
      select identity_id, 'any' as dimension, '' as value, at from met
      union all select identity_id, 'container', container_id::text, at from met where container_id is not null
      union all select identity_id, 'network', origin_network::text, at from met where origin_network is not null
      union all select identity_id, 'country', origin_country, at from met where origin_country is not null
    ) each_met
    group by 1, 2, 3
    order by 1, 2, 3
    on conflict (identity_id, dimension, value) do update set first_at = excluded.first_at
    where excluded.first_at < identity_seen.first_at`.execute(tx)
}

async function takeAwayCorrected(tx: Connection, touched: string): Promise<void> {
  // Before anything is taken away: imports that know of a meeting forget it.
  await sql`select nextval('seen_revision')`.execute(tx)
  await sql`
    with corrected as materialized (
      select distinct seen.identity_id, seen.dimension, seen.value
      from ${touchedActivities(touched)} cross join ${DIMENSIONS}
      join identity_seen seen on seen.identity_id = a.identity_id and seen.dimension = met.dimension
        and seen.value = met.value and seen.first_at = a.at
      where a.superseded_by is not null
    ), next as materialized (
      select corrected.*, (
        select min(a.at) from activity a cross join ${DIMENSIONS}
        where a.identity_id = corrected.identity_id and met.dimension = corrected.dimension
          and met.value = corrected.value and ${COUNTS}
      ) as first_at
      from corrected
    ), gone as (
      delete from identity_seen seen using next
      where next.first_at is null and seen.identity_id = next.identity_id and seen.dimension = next.dimension
        and seen.value = next.value
    )
    update identity_seen seen set first_at = next.first_at from next
    where next.first_at is not null and seen.identity_id = next.identity_id and seen.dimension = next.dimension
      and seen.value = next.value and seen.first_at <> next.first_at`.execute(tx)
}
