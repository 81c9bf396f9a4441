/** The part of SOQL that readers of the event log speak: one object, conditions joined by AND, ORDER BY, LIMIT. */
export interface Soql {
  fields: string[]
  from: string
  conditions: Condition[]
  orderBy: string[]
  limit: number
}

export interface Condition {
  field: string
  operator: '=' | '>=' | '<' | 'IN' | 'NOT IN'
  /** Dates as they were written; they stand bare, texts in quotes. */
  values: string[]
}

const QUERY =
  /^SELECT\s+([\w,\s]+?)\s+FROM\s+(\w+)(?:\s+WHERE\s+(.+?))?(?:\s+ORDER\s+BY\s+([\w,\s]+?))?(?:\s+LIMIT\s+(\d+))?$/is
const TEXT = /^'([^'\\]*)'$/
const DATE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{3})?(?:Z|[+-]\d{2}:?\d{2})$/
const CONDITION = /^(\w+)\s*(=|>=|<|NOT\s+IN|IN)\s*(.+)$/is

/** Undefined where the source would answer MALFORMED_QUERY. */
export function parseSoql(text: string): Soql | undefined {
  const found = QUERY.exec(text.trim())
  if (!found) return undefined
  const [, fields = '', from = '', where, order, limit] = found
  const conditions = (where?.split(/\s+AND\s+/i) ?? []).map(conditionOf)
  if (conditions.includes(undefined)) return undefined
  return {
    fields: namesIn(fields),
    from,
    conditions: conditions as Condition[],
    orderBy: namesIn((order ?? '').replaceAll(/\s+ASC\b/gi, '')),
    limit: limit === undefined ? Number.POSITIVE_INFINITY : Number(limit),
  }
}

const namesIn = (text: string): string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)

function conditionOf(text: string): Condition | undefined {
  const found = CONDITION.exec(text.trim())
  if (!found) return undefined
  const [, field = '', word = '', rest = ''] = found
  const operator = word.toUpperCase().replaceAll(/\s+/g, ' ') as Condition['operator']
  const isList = operator === 'IN' || operator === 'NOT IN'
  const list = isList ? /^\((.+)\)$/.exec(rest.trim())?.[1]?.split(',') : [rest]
  const values = list?.map((value) => literalOf(value.trim()))
  return values && !values.includes(undefined) ? { field, operator, values: values as string[] } : undefined
}

const literalOf = (text: string): string | undefined => TEXT.exec(text)?.[1] ?? (DATE.test(text) ? text : undefined)

/** Whether a record meets a condition. Dates are compared as instants. */
export function meets(record: Readonly<Record<string, unknown>>, { field, operator, values }: Condition): boolean {
  const has = String(record[field] ?? '')
  if (operator === 'IN') return values.includes(has)
  if (operator === 'NOT IN') return !values.includes(has)
  const [wanted = ''] = values
  if (operator === '=') return has === wanted
  return operator === '>=' ? Date.parse(has) >= Date.parse(wanted) : Date.parse(has) < Date.parse(wanted)
}
