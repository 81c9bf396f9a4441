import { z } from 'zod'
import { AppError } from './errors.ts'

/**
 * A settings schema as the outside sees it: JSON Schema for a form, and which of its fields are secret. What is secret
 * is declared once, in the schema, by `.meta({ secret: true })`; the form, the redactor and the sealed table follow it.
 */
export interface SettingsForm {
  schema: Record<string, unknown>
  secrets: readonly string[]
}

export function formOf(config: z.ZodType): SettingsForm {
  const schema = z.toJSONSchema(config, { io: 'input', unrepresentable: 'any' }) as {
    properties?: Record<string, Record<string, unknown>>
  }
  const secrets: string[] = []
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (property['secret'] !== true) continue
    secrets.push(name)
    property['writeOnly'] = true
    property['format'] ??= 'password'
  }
  return { schema: schema as Record<string, unknown>, secrets }
}

/** Parts settings from secrets, so that each goes where it may be kept. */
export function partSecrets(config: z.ZodType, values: Record<string, unknown>) {
  const { secrets } = formOf(config)
  const settings: Record<string, unknown> = {}
  const secret: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(values)) (secrets.includes(name) ? secret : settings)[name] = value
  return { settings, secret }
}

/** Parses settings and secrets together; the error names the field and never holds its value. */
export function parseSettings<S extends z.ZodType>(config: S, values: Record<string, unknown>): z.output<S> {
  const parsed = config.safeParse(values)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const field = issue?.path.join('.') || (issue?.code === 'unrecognized_keys' ? issue.keys.join(', ') : '')
  throw new AppError(
    'settings_invalid',
    `the settings do not fit: ${issue?.code ?? 'invalid'} at ${field || 'the top'}`,
    {
      field,
      fix: 'See the form of this kind for the fields and their limits.',
    },
  )
}
