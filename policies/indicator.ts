import { z } from 'zod'
import { SEVERITIES } from '../domain/alert.ts'
import { ACTOR_KINDS, AUDIENCES, FINDING_STATES, OUTCOMES, VERBS } from '../domain/signal.ts'

/**
 * Whose record was touched: one's own, somebody's at the same address, of the same family name at another address, in
 * the same street, or another employee's.
 */
export const RELATIONS = ['self', 'household', 'family_name', 'neighbour', 'colleague'] as const
export type Relation = (typeof RELATIONS)[number]

/** A predicate over one activity. Values are bound as parameters, never pasted into SQL. */
export type Predicate =
  | { all: Predicate[] }
  | { any: Predicate[] }
  | { not: Predicate }
  | {
      field:
        | 'verb'
        | 'native_event'
        | 'outcome'
        | 'actor_kind'
        | 'audience_after'
        | 'object_ext'
        | 'origin_country'
        | 'severity'
        | 'category'
        | 'finding_state'
        | 'connector_kind'
      in: string[]
    }
  /** Whose record was touched, seen from the person who touched it. */
  | { field: 'relation'; in: Relation[] }
  /** The touched record belongs to a department of which the person is not. */
  | { field: 'other_department'; is: true }
  /**
   * The touched record belongs to somebody whom, as far as any record tells, no department of the person ever treated.
   * Nobody of whom no department is known. Where the source does not number its patients each record tells of itself.
   */
  | { field: 'never_in_department'; is: true }
  /** After the person's last working day. */
  | { field: 'after_last_day'; is: true }
  | { field: 'amount'; atLeast: number }
  | { field: 'destination_is_external'; is: boolean }
  | { field: 'flags'; contains: string }
  | { field: 'size_bytes'; atLeast: number }
  /** Hours [from, to) in the zone, over midnight when from > to. A zone is an IANA name, or `policy` for the policy's. */
  | { field: 'hour'; zone: string; from: number; to: number }
  /** ISO weekdays, 1 = Monday. */
  | { field: 'weekday'; zone: string; in: number[] }

/** Stands in a predicate for the time zone that the policy is set to. */
export const POLICY_ZONE = 'policy'

export const timeZone = z.string().refine((name) => isZone(name), 'not an IANA time zone')
const zone = z.string().refine((name) => name === POLICY_ZONE || isZone(name), 'neither an IANA time zone nor `policy`')
const hour = z.int().min(0).max(24)

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

const words = <const T extends readonly [string, ...string[]]>(field: string, values: T) =>
  z.strictObject({ field: z.literal(field), in: z.array(z.enum(values)).min(1) })
const texts = (field: string) => z.strictObject({ field: z.literal(field), in: z.array(z.string().min(1)).min(1) })

const condition = z.discriminatedUnion('field', [
  words('verb', VERBS),
  words('outcome', OUTCOMES),
  words('actor_kind', ACTOR_KINDS),
  words('audience_after', AUDIENCES),
  texts('native_event'),
  texts('object_ext'),
  texts('origin_country'),
  words('severity', ['informational', ...SEVERITIES]),
  texts('category'),
  words('finding_state', FINDING_STATES),
  texts('connector_kind'),
  words('relation', RELATIONS),
  z.strictObject({ field: z.literal('other_department'), is: z.literal(true) }),
  z.strictObject({ field: z.literal('never_in_department'), is: z.literal(true) }),
  z.strictObject({ field: z.literal('after_last_day'), is: z.literal(true) }),
  z.strictObject({ field: z.literal('amount'), atLeast: z.number() }),
  z.strictObject({ field: z.literal('destination_is_external'), is: z.boolean() }),
  z.strictObject({ field: z.literal('flags'), contains: z.string().min(1) }),
  z.strictObject({ field: z.literal('size_bytes'), atLeast: z.int().min(0) }),
  z.strictObject({ field: z.literal('hour'), zone, from: hour, to: hour }).refine(({ from, to }) => from !== to, {
    error: 'from and to are the same hour: nothing lies between',
    path: ['to'],
  }),
  z.strictObject({ field: z.literal('weekday'), zone, in: z.array(z.int().min(1).max(7)).min(1) }),
])

export const predicate: z.ZodType<Predicate> = z.lazy(() =>
  z.union([
    z.strictObject({ all: z.array(predicate).min(1) }),
    z.strictObject({ any: z.array(predicate).min(1) }),
    z.strictObject({ not: predicate }),
    condition,
  ]),
) as z.ZodType<Predicate>

/** Conditions that one indicator may hold: each is evaluated for every activity of every touched day. */
export const CONDITIONS_MAX = 100

const conditionsIn = (where: Predicate): number =>
  'all' in where || 'any' in where
    ? ('all' in where ? where.all : where.any).reduce((sum, part) => sum + conditionsIn(part), 0)
    : 'not' in where
      ? conditionsIn(where.not)
      : 1

type Condition = Extract<Predicate, { field: unknown }>

const asks = (where: Predicate, about: (condition: Condition) => boolean): boolean =>
  'all' in where || 'any' in where
    ? ('all' in where ? where.all : where.any).some((part) => asks(part, about))
    : 'not' in where
      ? asks(where.not, about)
      : about(where)

/** Whether a predicate asks for the policy's time zone: then its rollups differ from zone to zone. */
export const usesPolicyZone = (where: Predicate): boolean =>
  asks(where, (condition) => 'zone' in condition && condition.zone === POLICY_ZONE)

/** The zones in which a predicate asks for the time, of an indicator whose policy is set to `policyZone`. */
export function zonesOf(where: Predicate, policyZone = 'UTC'): string[] {
  const zones = new Set<string>()
  asks(where, (condition) => {
    if ('zone' in condition) zones.add(condition.zone === POLICY_ZONE ? policyZone : condition.zone)
    return false
  })
  return [...zones]
}

/** Whether a predicate asks where somebody was treated: then a record decides about records of other people. */
export const usesTreatment = (where: Predicate): boolean => asks(where, ({ field }) => field === 'never_in_department')

/** Whether it compares a touched record with the profile of whoever touched it. */
export const usesProfile = (where: Predicate): boolean =>
  asks(where, ({ field }) => ['relation', 'other_department', 'never_in_department'].includes(field))

/** Whether it asks for the last working day of whoever acted. */
export const usesLastDay = (where: Predicate): boolean => asks(where, ({ field }) => field === 'after_last_day')

const tiered = z.strictObject({
  low: z.number().positive(),
  medium: z.number().positive(),
  high: z.number().positive(),
})
const ascending = tiered.refine(({ low, medium, high }) => low <= medium && medium <= high, 'low ≤ medium ≤ high')
const weights = tiered.refine(
  ({ low, medium, high }) => low <= medium && medium <= high && high < 1,
  'low ≤ medium ≤ high < 1: a weight is a share of certainty',
)

/** An activity of an example, with the defaults that keep examples short. */
export const exampleActivity = z.strictObject({
  /** Days before the example's day; 0 = that day. */
  daysBefore: z.int().min(0).max(120).default(0),
  /** UTC hour. */
  hour: z.int().min(0).max(23).default(10),
  /** How many like it, on as many objects. */
  times: z.int().min(1).max(20_000).default(1),
  verb: z.enum(VERBS).default('download'),
  nativeEvent: z.string().default('GetObject'),
  outcome: z.enum(OUTCOMES).default('success'),
  actorKind: z.enum(ACTOR_KINDS).default('user'),
  container: z.string().default('bucket-a'),
  /** True: every one of them on the same object. */
  sameObject: z.boolean().default(false),
  sizeBytes: z.int().min(0).optional(),
  /** Objects touched, where the source counts them. */
  itemCount: z.int().min(1).optional(),
  network: z.string().default('198.51.0.0/16'),
  country: z.string().optional(),
  audienceAfter: z.enum(AUDIENCES).optional(),
  destinationIsExternal: z.boolean().optional(),
  flags: z.array(z.string()).optional(),
  amount: z.number().optional(),
  /** Of a finding. */
  severity: z.enum(['informational', ...SEVERITIES]).optional(),
  category: z.string().default('other'),
  findingState: z.enum(FINDING_STATES).default('open'),
  /** Kind of the connector that brought it. */
  connectorKind: z.string().optional(),
  /** Whose record was touched; `nobody` = a stranger's. */
  relation: z.enum([...RELATIONS, 'nobody']).optional(),
  otherDepartment: z.boolean().default(false),
  /** The record names no department. */
  departmentUntold: z.boolean().optional(),
  /** Departments that other records of the same patients name: the person's own, another. */
  alsoTreatedIn: z.array(z.enum(['own', 'other'])).optional(),
  /** Done after the person's last working day. */
  afterLastDay: z.boolean().default(false),
})
export type ExampleActivity = z.output<typeof exampleActivity>

/** What `says` may hold: the value with its unit's wording, the unit, the own usual, the UTC day, the time zone. */
export const PLACEHOLDERS = ['value', 'unit', 'usual', 'day', 'zone'] as const

export const indicatorSchema = z
  .strictObject({
    id: z.string().regex(/^[a-z][a-z0-9-]{2,60}$/),
    version: z.int().min(1),
    title: z.string().min(3).max(120),
    /** What it says of an insight. Never names anybody: there is no placeholder for a person. */
    says: z
      .string()
      .min(5)
      .max(300)
      .refine(
        (says) =>
          [...says.matchAll(/\{([^}]*)\}/g)].every(([, name]) =>
            (PLACEHOLDERS as readonly string[]).includes(name ?? ''),
          ),
        `a placeholder is one of ${PLACEHOLDERS.map((name) => `{${name}}`).join(', ')}`,
      ),
    family: z.enum(['access', 'collection', 'exfiltration', 'deletion', 'obfuscation', 'security']),
    /** Connector kinds that can feed it. */
    needs: z.array(z.string()).min(1),
    where: predicate.refine((where) => conditionsIn(where) <= CONDITIONS_MAX, `more than ${CONDITIONS_MAX} conditions`),
    measure: z.discriminatedUnion('of', [
      z.strictObject({
        /** `amount`: the greatest of what the source itself measured that day. */
        of: z.enum(['count', 'objects', 'items', 'bytes', 'amount']),
        /**
         * Leaves out days below so many times what this person does on such a day: who always works like this gives no
         * sign by going on. The first day of a history has nothing before it and counts.
         */
        unlessUsual: z.strictObject({ days: z.int().min(7).max(90), times: z.number().gt(1) }).optional(),
      }),
      /** Values of a dimension met for the first time that day by somebody with so many days of history. */
      z.strictObject({
        of: z.literal('first_seen'),
        dimension: z.enum(['container', 'network', 'country']),
        historyDays: z.int().min(1).max(90),
      }),
      /** How many times the person's own daily mean of the days before, once the day itself reaches `floor`. */
      z.strictObject({
        of: z.literal('times_usual'),
        base: z.enum(['count', 'objects', 'items', 'bytes']),
        days: z.int().min(7).max(90),
        historyDays: z.int().min(1).max(90),
        floor: z.number().positive(),
      }),
    ]),
    unit: z.string().min(1).max(40),
    tiers: ascending,
    weights,
    innocent: z.array(z.string().min(3)).min(1),
    examples: z
      .array(
        z.strictObject({
          name: z.string().min(3),
          activities: z.array(exampleActivity),
          finds: z.enum(['low', 'medium', 'high']).nullable(),
        }),
      )
      .min(2),
  })
  .refine(
    ({ examples }) => examples.some(({ finds }) => finds === null) && examples.some(({ finds }) => finds !== null),
    {
      message: 'examples show one that is found and one that is not',
      path: ['examples'],
    },
  )

export type IndicatorDefinition = z.output<typeof indicatorSchema>

/** Whether all that it counts are findings of data loss prevention, one by one. */
export const countsDlpFindings = ({ where, measure }: Pick<IndicatorDefinition, 'where' | 'measure'>): boolean =>
  measure.of === 'count' && isOfDlp(where)

function isOfDlp(predicate: Predicate): boolean {
  if ('all' in predicate) return predicate.all.some(isOfDlp)
  if ('any' in predicate) return predicate.any.every(isOfDlp)
  return 'field' in predicate && predicate.field === 'category' && predicate.in.every((each) => each === 'dlp')
}
