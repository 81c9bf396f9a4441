import { type RawBuilder, sql } from 'kysely'

/** Where a list goes on; the API makes an opaque, signed cursor of `after`. */
export interface PageRequest {
  limit: number
  /** Sort key of the last row of the page before; null = from the beginning. */
  after: readonly (string | number)[] | null
}

export interface PageOf<Row> {
  rows: Row[]
  /** Sort key of the last row when there are more. */
  next: (string | number)[] | null
}

/** A column of a sort key with the type that its text is read as. */
export type SortColumn = readonly [column: string, type: 'uuid' | 'timestamptz' | 'bigint' | 'int' | 'text']

/** The order of a list and the condition by which a page begins behind the one before. Keys are unique. */
export function sortedBy(columns: readonly SortColumn[], direction: 'asc' | 'desc') {
  const names = sql.join(columns.map(([column]) => sql.ref(column)))
  const way = sql.raw(direction)
  return {
    order: sql.join(columns.map(([column]) => sql`${sql.ref(column)} ${way}`)),
    behind(after: PageRequest['after']): RawBuilder<boolean> {
      if (after === null) return sql<boolean>`true`
      const values = sql.join(columns.map(([, type], index) => sql`${after[index] ?? null}::${sql.raw(type)}`))
      return sql<boolean>`(${names}) ${sql.raw(direction === 'asc' ? '>' : '<')} (${values})`
    },
  }
}

/** Cuts `limit + 1` rows to a page. */
export function pageOf<Row>(rows: Row[], limit: number, key: (row: Row) => (string | number | Date)[]): PageOf<Row> {
  if (rows.length <= limit) return { rows, next: null }
  const kept = rows.slice(0, limit)
  const last = key(kept.at(-1) as Row)
  return { rows: kept, next: last.map((part) => (part instanceof Date ? part.toISOString() : part)) }
}
