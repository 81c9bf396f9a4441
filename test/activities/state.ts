import type pg from 'pg'

/**
 * Columns that differ between two runs that did the same: instants, random values, and hashes over either. Whether such
 * a column is set at all still counts.
 */
const VOLATILE: Record<string, readonly string[]> = {
  '*': [
    'accepted_at',
    'activated_at',
    'checked_at',
    'closed_at',
    'committed_at',
    'built_at',
    'created_at',
    'decided_at',
    'enqueued_at',
    'expires_at',
    'finished_at',
    'applied_at',
    'arrived_at',
    'ended_at',
    'lifted_at',
    'read_at',
    'swept_at',
    'not_before',
    'nominal_at',
    'due_at',
    'from_at',
    'joined_at',
    'last_attempt_at',
    'opened_at',
    'recorded_at',
    'remind_at',
    'reminded_at',
    'requested_at',
    'resolved_at',
    'seen_at',
    'since',
    'started_at',
    'superseded_at',
    'to_at',
    'updated_at',
    'valid_until',
    'waiting_since',
  ],
  audit_entry: ['at', 'hash', 'previous_hash'],
  evaluation: ['took_ms'],
  person: ['pseudonym'],
  prerequisite_change: ['at', 'id'],
  receipt: ['sha256'],
  delivery: ['payload_sha256'],
  sealed_value: ['nonce', 'ciphertext'],
}
/** Documents that hold instants, hashes and pseudonyms among what counts. */
const DOCUMENTS: Record<string, readonly string[]> = {
  audit_entry: ['detail'],
  connector_setup: ['steps'],
  delivery: ['payload'],
  destination: ['stop_reason'],
}
/** What may move when an activity is run again after it was done: it says that it looked again. */
const SAYS_IT_LOOKED: Record<string, readonly string[]> = {
  connector_setup: ['updated_at'],
  evaluation_request: ['requested_at'],
  prerequisite_status: ['checked_at', 'valid_until'],
  seen_key: ['seen_at'],
}
/** Numbers of sequences: a try that failed leaves gaps. */
const NUMBERED: Record<string, string> = {
  identity: 'identity',
  person: 'person',
  container: 'container',
  evaluation_notice: 'notice',
  identity_move: 'move',
}
const NUMBER_COLUMNS: Record<string, string> = {
  identity_id: 'identity',
  person_id: 'person',
  identity_a: 'identity',
  identity_b: 'identity',
  from_person: 'person',
  to_person: 'person',
  container_id: 'container',
}

type Row = Record<string, unknown>
export type State = Record<string, Row[]>

interface Table {
  name: string
  columns: string[]
}

const tablesOf = new WeakMap<pg.Pool, Promise<Table[]>>()

/** The tables of the schema, which nothing here changes. */
function tables(pool: pg.Pool): Promise<Table[]> {
  const found = tablesOf.get(pool) ?? readTables(pool)
  tablesOf.set(pool, found)
  return found
}

/** Partitions through their parents. */
async function readTables(pool: pg.Pool): Promise<Table[]> {
  const { rows } = await pool.query<Table>(`
    select c.relname as name,
      array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated = '') as columns
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and c.relname not like 'kysely%'
    group by c.relname order by c.relname`)
  return rows
}

/** Everything that is stored, as it is, in any order: sorting documents is most of what the server would do. */
export async function readState(pool: pg.Pool): Promise<State> {
  const all = await tables(pool)
  const parts = all.map(({ name }) => `(select coalesce(json_agg(t), '[]') from ${name} t) as ${name}`)
  const { rows } = await pool.query<State>({ name: 'state', text: `select ${parts.join(',\n')}` })
  return rows[0] as State
}

/** For two looks at one database: equal but for what says that somebody looked again. */
export function still(state: State): State {
  const seen = eachRow(state, (table, row) => {
    for (const column of SAYS_IT_LOOKED[table] ?? []) if (column in row) row[column] = row[column] && '<instant>'
    return row
  })
  return Object.fromEntries(Object.entries(seen).map(([table, rows]) => [table, inOrder(rows)]))
}

/** For two databases in which the same was done: ids become numbers in the order of what they stand for. */
export function comparable(state: State): State {
  const masked = eachRow(state, (table, row) => {
    for (const column of [...(VOLATILE['*'] as string[]), ...(VOLATILE[table] ?? [])])
      if (row[column] !== undefined && row[column] !== null) row[column] = `<${column}>`
    for (const column of DOCUMENTS[table] ?? []) row[column] = blurred(row[column])
    for (const [column, value] of Object.entries(row)) {
      const kind = column === 'id' ? NUMBERED[table] : NUMBER_COLUMNS[column]
      if (kind && typeof value === 'number') row[column] = numbered(kind, value)
    }
    // Their order says nothing, and their numbers are those of other tables.
    if (table === 'evaluation_notice') row['identity_ids'] = (row['identity_ids'] as number[]).length
    if (table === 'identity_seen' && row['dimension'] === 'container')
      row['value'] = numbered('container', row['value'])
    return row
  })
  const named = new Map<string, string>()
  const name = (id: string) => {
    if (!named.has(id)) named.set(id, `<${named.size + 1}>`)
    return named.get(id) as string
  }
  const sorted: State = {}
  for (const [table, rows] of Object.entries(masked)) {
    const keyed = rows.map((row) => readIds(JSON.stringify(row)))
    keyed.sort((a, b) => order(a.blind, b.blind) || order(a.text, b.text))
    // Sorted once more by their names: of rows that differ in nothing else the random ids decide the order.
    const texts = keyed
      .map(({ text, ids, between }) => {
        if (ids.length === 0) return text
        return between.map((part, index) => (index === 0 ? part : `${name(ids[index - 1] as string)}${part}`)).join('')
      })
      .sort(order)
    sorted[table] = texts.map((text) => JSON.parse(text) as Row)
  }
  return sorted
}

const numbered = (kind: string, value: unknown): string => `${kind}#${String(value).padStart(12, '0')}`
const IDS =
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?:identity|person|container|notice|move)#\d+/g

interface RowIds {
  text: string
  /** Without its ids. */
  blind: string
  ids: readonly string[]
  /** What stands before, between and after them. */
  between: readonly string[]
}

/** Most rows are the same after every break of a scenario; those of the last texts are kept. */
const known = new Map<string, RowIds>()
const KNOWN_TEXTS = 20_000

function readIds(text: string): RowIds {
  const before = known.get(text)
  if (before) return before
  const between = text.split(IDS)
  const read = { text, blind: between.join('<>'), ids: text.match(IDS) ?? [], between }
  if (known.size === KNOWN_TEXTS) known.clear()
  known.set(text, read)
  return read
}

const inOrder = (rows: readonly Row[]): Row[] =>
  rows
    .map((row) => ({ row, text: JSON.stringify(row) }))
    .sort((a, b) => order(a.text, b.text))
    .map(({ row }) => row)

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const blurred = (document: unknown): unknown =>
  document === null || document === undefined
    ? document
    : JSON.stringify(document)
        .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)/g, '<instant>')
        .replaceAll(/\b[0-9a-f]{64}\b/g, '<hash>')
        .replaceAll(/(pseudonym\\?":\\?")[^"\\]+/g, '$1<pseudonym>')

const eachRow = (state: State, change: (table: string, row: Row) => Row): State =>
  Object.fromEntries(
    Object.entries(state).map(([table, rows]) => [table, rows.map((row) => change(table, { ...row }))]),
  )

/** Keeps all that is stored under a name; `restore` brings it back. Its tables are made once. */
export async function keep(pool: pg.Pool, name: string): Promise<void> {
  const all = await tables(pool)
  const { rows } = await pool.query<{ made: boolean }>('select to_regnamespace($1) is not null as made', [name])
  const put = all.map(({ name: table, columns }) =>
    rows[0]?.made
      ? `delete from ${name}.${table}; insert into ${name}.${table} select ${columns} from ${table}`
      : `create table ${name}.${table} as select ${columns} from ${table}`,
  )
  await pool.query(`begin; create schema if not exists ${name}; ${put.join(';\n')}; commit`)
  if (!rows[0]?.made) await pool.query(bringBack(name, all))
}

/** A function, since it is called after every break: a session plans its statements once. */
const bringBack = (name: string, all: readonly Table[]): string => `
  create function ${name}.bring_back() returns void language plpgsql set session_replication_role = replica as $$
  begin
    ${all.map(({ name: table }) => `delete from ${table};`).join('\n')}
    ${all.map(({ name: table, columns }) => `insert into ${table} (${columns}) overriding system value select ${columns} from ${name}.${table};`).join('\n')}
  end $$`

export async function restore(pool: pg.Pool, name: string): Promise<void> {
  await pool.query(`select ${name}.bring_back()`)
}
