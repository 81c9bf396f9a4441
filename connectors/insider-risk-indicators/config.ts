import { z } from 'zod'
import { fileSettings } from '../files/settings.ts'

/** Source of the limits: learn.microsoft.com/purview/insider-risk-management-limits. */
export const MAX_DETECTIONS = 10
export const MAX_FIELDS = 20
export const MAX_VARIANTS = 3

const column = z.string().min(1).max(200)
const id = z.string().regex(/^[a-z][a-z0-9-]{2,30}$/, 'lower-case letters, digits and hyphens, 3 to 31 of them')

const variant = z.strictObject({
  id: id.max(15),
  /** Column whose values tell rows of this variant, e.g. Alert_Severity. */
  column,
  values: z.array(z.string().min(1)).min(1).max(200),
})

const detection = z.strictObject({
  id,
  title: z.string().min(3).max(100),
  /** Value of the source column that tells its rows. */
  value: z.string().min(1).max(200).optional(),
  /** Column with the number that thresholds are compared with; without one a detection only triggers. */
  amountColumn: column.optional(),
  /** Columns that are kept, sealed, for whoever looks at an alert. */
  carry: z.array(column).default([]),
  /** Narrower kinds of the same detection, each with thresholds of its own. */
  variants: z.array(variant).max(MAX_VARIANTS).default([]),
})
export type Detection = z.output<typeof detection>

export const config = z
  .strictObject({
    columns: z.strictObject({ person: column, at: column }).meta({ title: 'Columns that all detections share' }),
    sourceColumn: column.optional().meta({ title: 'Column that tells detections apart' }),
    detections: z.array(detection).min(1).max(MAX_DETECTIONS).meta({ title: 'Detections' }),
    personScheme: z
      .enum(['address', 'user_name', 'employee_number'])
      .default('address')
      .meta({ title: 'How the file names people' }),
    ...fileSettings,
  })
  .check(({ value, issues }) => {
    const issue = (path: (string | number)[], message: string) =>
      issues.push({ code: 'custom', path, message, input: value })
    const { detections, sourceColumn, columns } = value
    if (detections.length > 1 && !sourceColumn) issue(['sourceColumn'], 'needed with several detections')
    const seen = { id: new Set<string>(), value: new Set<string>() }
    for (const [index, each] of detections.entries()) {
      const { amountColumn, carry, variants } = each
      if (sourceColumn && !each.value) issue(['detections', index, 'value'], 'needed with a source column')
      if (!sourceColumn && each.value) issue(['sourceColumn'], 'needed for the value of a detection')
      const value_ = each.value?.toLowerCase()
      if (seen.id.has(each.id)) issue(['detections', index, 'id'], 'is taken')
      if (value_ !== undefined && seen.value.has(value_)) issue(['detections', index, 'value'], 'is taken')
      seen.id.add(each.id)
      if (value_ !== undefined) seen.value.add(value_)
      const fields = new Set([
        columns.person,
        columns.at,
        ...[sourceColumn, amountColumn].flatMap((name) => name ?? []),
        ...carry,
        ...variants.map((variant_) => variant_.column),
      ])
      if (fields.size > MAX_FIELDS) issue(['detections', index, 'carry'], `more than ${MAX_FIELDS} fields`)
      if (new Set(variants.map((variant_) => variant_.id)).size < variants.length)
        issue(['detections', index, 'variants'], 'an id is taken')
    }
  })
export type DetectionsConfig = z.output<typeof config>
