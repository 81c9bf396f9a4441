import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import type { z } from 'zod'
import type { Connection } from '../db/connection.ts'
import { sha256 } from '../db/hash.ts'
import { canonicalJson } from '../domain/canonical.ts'
import { AppError, type ErrorCode } from '../domain/errors.ts'
import { type IndicatorDefinition, indicatorSchema } from './indicator.ts'
import {
  type PolicyDefinition,
  type PolicyTemplate,
  policyDefinition,
  policySettings,
  templateSchema,
} from './template.ts'

const builtInIndicators = path.join(import.meta.dirname, 'indicators')
const builtInTemplates = path.join(import.meta.dirname, 'templates')

/** Parses one file; the error names the file, the path inside it and what was expected. */
function readYaml<S extends z.ZodType>(file: string, schema: S, code: ErrorCode): z.output<S> {
  let document: unknown
  try {
    document = parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new AppError(code, `${path.basename(file)} is not YAML`, { cause, fix: 'Check indentation and quotes.' })
  }
  const parsed = schema.safeParse(document)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new AppError(
    code,
    `${path.basename(file)}: ${issue?.message ?? 'invalid'} at ${issue?.path.join('.') || 'the top'}`,
    {
      field: issue?.path.join('.'),
      fix: 'See CONTRIBUTING.md and the built-in files for the fields.',
    },
  )
}

const yamlFiles = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => path.join(directory, name))

function named<T extends { id: string }>(file: string, definition: T, code: ErrorCode): T {
  if (`${definition.id}.yaml` !== path.basename(file)) {
    throw new AppError(code, `${path.basename(file)} holds ${definition.id}`, {
      fix: `Name the file ${definition.id}.yaml.`,
    })
  }
  return definition
}

/** The built-in indicators and those of the customer's own directory, by id. */
export function loadIndicators(ownDirectory?: string): Map<string, IndicatorDefinition> {
  const loaded = new Map<string, IndicatorDefinition>()
  for (const file of [...yamlFiles(builtInIndicators), ...(ownDirectory ? yamlFiles(ownDirectory) : [])]) {
    const indicator = named(file, readYaml(file, indicatorSchema, 'indicator_invalid'), 'indicator_invalid')
    if (loaded.has(indicator.id)) {
      throw new AppError('indicator_invalid', `${path.basename(file)}: the id ${indicator.id} is taken`, {
        fix: 'Choose another id.',
      })
    }
    loaded.set(indicator.id, indicator)
  }
  return loaded
}

export const loadTemplates = (): Map<string, PolicyTemplate> =>
  new Map(
    yamlFiles(builtInTemplates).map((file) => {
      const template = named(file, readYaml(file, templateSchema, 'policy_invalid'), 'policy_invalid')
      return [template.id, template]
    }),
  )

/**
 * Stores the versions that the database does not know. What a version says never changes: another content under the
 * same number is an error that names the indicator.
 */
export async function syncIndicators(tx: Connection, indicators: Iterable<IndicatorDefinition>): Promise<string[]> {
  const added: string[] = []
  for (const indicator of indicators) {
    const definition = canonicalJson(indicator)
    const hash = sha256(definition)
    const stored = await tx
      .selectFrom('indicator')
      .select(['version', 'sha256'])
      .where('id', '=', indicator.id)
      .orderBy('version', 'desc')
      .execute()
    const same = stored.find(({ version }) => version === indicator.version)
    if (same && same.sha256 !== hash) {
      throw new AppError(
        'indicator_invalid',
        `indicator ${indicator.id} differs from its stored version ${indicator.version}`,
        {
          fix: `Set version: ${(stored[0]?.version ?? 0) + 1} in its file.`,
        },
      )
    }
    if (same) continue
    await tx
      .insertInto('indicator')
      .values({ id: indicator.id, version: indicator.version, definition, sha256: hash })
      .execute()
    added.push(`${indicator.id}@${indicator.version}`)
  }
  return added
}

/** The stored definition of every pinned indicator, thresholds of the policy applied, by id. */
export async function pinnedIndicators(
  db: Connection,
  definition: PolicyDefinition,
): Promise<Map<string, IndicatorDefinition>> {
  const found = new Map<string, IndicatorDefinition>()
  for (const pin of definition.indicators) {
    const row = await db
      .selectFrom('indicator')
      .select('definition')
      .where('id', '=', pin.id)
      .where('version', '=', pin.version)
      .executeTakeFirst()
    if (!row) {
      throw new AppError('policy_invalid', `there is no version ${pin.version} of indicator ${pin.id}`, {
        field: 'indicators',
        fix: 'List the indicators and their versions first.',
      })
    }
    const stored = row.definition as unknown as IndicatorDefinition
    found.set(pin.id, pin.tiers ? { ...stored, tiers: pin.tiers } : stored)
  }
  return found
}

/** The indicators whose rollups an import must keep: every version that an enabled policy scores with. */
export async function activeIndicators(db: Connection): Promise<IndicatorDefinition[]> {
  const rows = await db
    .selectFrom('policy')
    .innerJoin('policy_version', (join) =>
      join.onRef('policy_version.policy_id', '=', 'policy.id').onRef('policy_version.version', '=', 'policy.version'),
    )
    .select('policy_version.definition')
    .where('policy.state', '=', 'enabled')
    .execute()
  const active = new Map<string, IndicatorDefinition>()
  for (const { definition } of rows) {
    for (const indicator of (await pinnedIndicators(db, definition as unknown as PolicyDefinition)).values()) {
      active.set(`${indicator.id}@${indicator.version}`, indicator)
    }
  }
  return [...active.values()].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : a.version - b.version))
}

/** The first version of a policy made from a template: its settings, its indicators at their newest version. */
export function definitionFrom(
  template: PolicyTemplate,
  indicators: ReadonlyMap<string, IndicatorDefinition>,
): PolicyDefinition {
  const settings = policySettings.parse(
    Object.fromEntries(Object.keys(policySettings.shape).map((name) => [name, template[name as keyof PolicyTemplate]])),
  )
  return {
    template: template.id,
    templateVersion: template.version,
    settings,
    indicators: template.indicators.map((id) => {
      const indicator = indicators.get(id)
      if (!indicator) throw new AppError('policy_invalid', `template ${template.id} names no known indicator: ${id}`)
      return { id, version: indicator.version }
    }),
  }
}

/** Checks what an admin sent as a new version; throws policy_invalid with the field. */
export function parsePolicyDefinition(document: unknown): PolicyDefinition {
  const parsed = policyDefinition.safeParse(document)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new AppError('policy_invalid', `the policy does not fit: ${issue?.message ?? 'invalid'}`, {
    field: issue?.path.join('.'),
    fix: 'Compare with the current version of the policy.',
  })
}
