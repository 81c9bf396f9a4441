import { z } from 'zod'
import type { Mapped } from '../domain/signal.ts'
import { DATE_FORMATS, isoTextOf } from './files/dates.ts'
import { isAddress, isObject } from './values.ts'

const RULES_MAX = 50
const TEXT_MAX = 200

/** Column or field as a rejected row names it; case does not matter, a nested field has its path with dots. */
const cell = z.string().min(1).max(255).meta({ title: 'Column or field' })
/** Settings are read by every admin: nobody's address is kept in them. */
const text = z
  .string()
  .max(TEXT_MAX)
  .refine((value) => !isAddress(value.trim()), 'an address of a person: correct it at the source')
const filled = text.refine((value) => value !== '', 'not empty')

const rule = z.discriminatedUnion('rule', [
  z.strictObject({ rule: z.literal('trim'), cell }),
  z
    .strictObject({ rule: z.literal('strip'), cell, prefix: filled.optional(), suffix: filled.optional() })
    .refine(({ prefix, suffix }) => (prefix ?? suffix) !== undefined, 'a prefix or a suffix'),
  z.strictObject({ rule: z.literal('replace'), cell, from: text, to: text }),
  z.strictObject({ rule: z.literal('date'), cell, format: z.enum(DATE_FORMATS).exclude(['iso']) }),
])

/**
 * What is wrong with the values of a source that cannot be mended there, corrected before a record is mapped, in this
 * order: blanks around a cell, what stands before or behind it, one whole value for another, a date written another way.
 */
export type ValueRule = z.output<typeof rule>

export const valueRules = z
  .array(rule)
  .max(RULES_MAX)
  .optional()
  .meta({ title: 'Corrections of values, before a record is mapped' })

/** Adds the rules to a kind's mapping. The signal keeps the record as it arrived. */
export const withValueRules =
  <R, Config>(map: (record: R, config: Config) => Mapped) =>
  (record: R, config: Config): Mapped => {
    // Kinds that map alike whatever their settings are may be asked without any.
    const rules = (config as { valueRules?: readonly ValueRule[] } | undefined)?.valueRules
    if (rules === undefined || rules.length === 0) return map(record, config)
    const corrected = correct(record, rules)
    const mapped = map(corrected, config)
    return 'raw' in mapped && mapped.raw === corrected ? { ...mapped, raw: record } : mapped
  }

/** A record with its values corrected; the very same one where no rule changes anything. */
export function correct<R>(record: R, rules: readonly ValueRule[]): R {
  let corrected: unknown = record
  for (const each of rules) corrected = at(corrected, each.cell.toLowerCase(), (value) => changed(value, each))
  return corrected as R
}

/** The record with the value at a path changed; names may themselves hold dots, so a path is taken name by name. */
function at(record: unknown, path: string, change: (value: unknown) => unknown): unknown {
  if (!isObject(record) && !Array.isArray(record)) return record
  for (const [name, value] of Object.entries(record)) {
    const folded = name.toLowerCase()
    if (folded !== path && !path.startsWith(`${folded}.`)) continue
    const next = folded === path ? change(value) : at(value, path.slice(folded.length + 1), change)
    if (next === value) continue
    return Array.isArray(record) ? record.with(Number(name), next) : { ...record, [name]: next }
  }
  return record
}

function changed(value: unknown, each: ValueRule): unknown {
  if (each.rule === 'replace') return SAYABLE.has(typeof value) && String(value) === each.from ? each.to : value
  if (typeof value !== 'string') return value
  if (each.rule === 'trim') return value.trim()
  if (each.rule === 'strip') return stripped(value, each.prefix ?? '', each.suffix ?? '')
  return isoTextOf(value, each.format) ?? value
}

const SAYABLE = new Set(['string', 'number', 'boolean'])

function stripped(value: string, prefix: string, suffix: string): string {
  const begun = value.startsWith(prefix) ? value.slice(prefix.length) : value
  return suffix !== '' && begun.endsWith(suffix) ? begun.slice(0, -suffix.length) : begun
}
