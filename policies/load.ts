import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import type { z } from 'zod'
import type { Connection } from '../db/connection.ts'
import { sha256 } from '../db/hash.ts'
import { canonicalJson } from '../domain/canonical.ts'
import { AppError, type ErrorCode } from '../domain/errors.ts'
import type { ScoringIndicator } from './history.ts'
import { countsDlpFindings, type IndicatorDefinition, indicatorSchema, usesPolicyZone } from './indicator.ts'
import { explainIssue } from './issue.ts'
import {
  type PinnedIndicator,
  type PolicyDefinition,
  type PolicyTemplate,
  policyDefinition,
  policySettings,
  templateSchema,
} from './template.ts'

const builtInIndicators = path.join(import.meta.dirname, 'indicators')
const builtInTemplates = path.join(import.meta.dirname, 'templates')

/** What a file said when it was last read, by its path: parsing all of them takes longer than the request that asks. */
const lastRead = new Map<string, { text: string; definition: unknown }>()

function textOf(file: string, code: ErrorCode): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new AppError(code, `${path.basename(file)} cannot be read`, {
      cause,
      fix: 'Let this account read it, or take it out of the directory.',
    })
  }
}

/** Parses one file, anew where its text has changed; the error names the file, the path inside it and what was expected. */
function readYaml<S extends z.ZodType>(file: string, schema: S, code: ErrorCode): z.output<S> {
  const text = textOf(file, code)
  const known = lastRead.get(file)
  if (known?.text === text) return structuredClone(known.definition) as z.output<S>
  let document: unknown
  try {
    document = parse(text)
  } catch (cause) {
    throw new AppError(code, `${path.basename(file)} is not YAML`, { cause, fix: 'Check indentation and quotes.' })
  }
  const parsed = schema.safeParse(document)
  if (parsed.success) {
    lastRead.set(file, { text, definition: structuredClone(parsed.data) })
    return parsed.data
  }
  const { field, what, fix } = explainIssue(parsed.error)
  throw new AppError(code, `${path.basename(file)}: ${what} at ${field || 'the top'}`, { field, fix })
}

function yamlFiles(directory: string, code: ErrorCode): string[] {
  let names: string[]
  try {
    names = readdirSync(directory)
  } catch (cause) {
    throw new AppError(code, 'the directory of indicator files cannot be read', {
      cause,
      fix: 'Name a directory that exists and that this account may read.',
    })
  }
  return names
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => path.join(directory, name))
}

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
  const own = ownDirectory === undefined ? [] : yamlFiles(ownDirectory, 'indicator_invalid')
  for (const file of [...yamlFiles(builtInIndicators, 'indicator_invalid'), ...own]) {
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
    yamlFiles(builtInTemplates, 'policy_invalid').map((file) => {
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
        `${indicator.id}.yaml differs from the stored version ${indicator.version}`,
        {
          field: 'version',
          fix: `Set version: ${(stored[0]?.version ?? 0) + 1} in the file, or take the change back.`,
        },
      )
    }
    if (same) continue
    // A fresh installation begins with whatever version a file ships at.
    const next = stored[0] ? stored[0].version + 1 : indicator.version
    if (indicator.version !== next) {
      throw new AppError(
        'indicator_invalid',
        `${indicator.id}.yaml says version ${indicator.version}, the next one is ${next}`,
        {
          field: 'version',
          fix: `Set version: ${next} in the file: versions are stored without gaps.`,
        },
      )
    }
    const inserted = await tx
      .insertInto('indicator')
      .values({ id: indicator.id, version: indicator.version, definition, sha256: hash })
      .onConflict((conflict) => conflict.doNothing())
      .returning('version')
      .execute()
    if (inserted.length === 0) {
      // Another process stored this version a moment ago: it is held to the same rule.
      await syncIndicators(tx, [indicator])
      continue
    }
    added.push(`${indicator.id}@${indicator.version}`)
  }
  return added
}

/** A stored definition with what later versions of the platform added to it. */
export const storedDefinition = (document: unknown): PolicyDefinition => policyDefinition.parse(document)

/** The stored definition of every pinned indicator, thresholds and time zone of the policy applied, by id. */
export async function pinnedIndicators(
  db: Connection,
  definition: PolicyDefinition,
): Promise<Map<string, ScoringIndicator>> {
  const found = new Map<string, ScoringIndicator>()
  const rows = await db
    .selectFrom('indicator')
    .select(['id', 'version', 'definition'])
    .where(
      'id',
      'in',
      definition.indicators.map(({ id }) => id),
    )
    .execute()
  const versions = new Map(rows.map((row) => [`${row.id}@${row.version}`, row]))
  for (const pin of definition.indicators) {
    const row = versions.get(`${pin.id}@${pin.version}`)
    if (!row) {
      throw new AppError('policy_invalid', `there is no version ${pin.version} of indicator ${pin.id}`, {
        field: 'indicators',
        fix: 'List the indicators and their versions first.',
      })
    }
    const stored = row.definition as unknown as IndicatorDefinition
    found.set(pin.id, {
      ...stored,
      ...(pin.tiers ? { tiers: pin.tiers } : {}),
      scores: pin.scores ?? true,
      ...(usesPolicyZone(stored.where) ? { timeZone: definition.settings.timeZone } : {}),
    })
  }
  return found
}

/** The indicators whose rollups an import must keep: every version that an enabled policy scores with. */
export async function activeIndicators(db: Connection): Promise<ScoringIndicator[]> {
  const rows = await db
    .selectFrom('policy')
    .innerJoin('policy_version', (join) =>
      join.onRef('policy_version.policy_id', '=', 'policy.id').onRef('policy_version.version', '=', 'policy.version'),
    )
    .select('policy_version.definition')
    .where('policy.state', '=', 'enabled')
    .execute()
  const active = new Map<string, ScoringIndicator>()
  for (const { definition } of rows) {
    for (const indicator of (await pinnedIndicators(db, storedDefinition(definition))).values()) {
      active.set(`${indicator.id}@${indicator.version} ${indicator.timeZone ?? ''}`, indicator)
    }
  }
  return [...active].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, indicator]) => indicator)
}

/** What an admin may set when a policy is made: whole sections of the settings, and thresholds per indicator. */
export interface PolicyOverrides extends Partial<z.input<typeof policySettings>> {
  /** Replaces the template's list. */
  indicators?: readonly { id: string; tiers?: PinnedIndicator['tiers']; scores?: boolean }[]
}

/**
 * The first version of a policy made from a template: its settings with what the admin set, its indicators at their
 * newest version. Throws policy_invalid with the field.
 */
export function definitionFrom(
  template: PolicyTemplate,
  indicators: ReadonlyMap<string, IndicatorDefinition>,
  overrides: PolicyOverrides = {},
): PolicyDefinition {
  const {
    indicators: chosen = template.indicators.map((id) => ({ id, scores: !template.triggersOnly.includes(id) })),
  } = overrides
  const { indicators: _, ...settings } = overrides
  requireGroups(template, { ...template, ...settings })
  const defaults = Object.fromEntries(
    Object.keys(policySettings.shape).map((name) => [name, template[name as keyof PolicyTemplate]]),
  )
  const definition = parsePolicyDefinition({
    template: template.id,
    templateVersion: template.version,
    settings: { ...defaults, ...settings },
    indicators: chosen.map((pin) => {
      const indicator = indicators.get(pin.id)
      if (!indicator) {
        throw new AppError('policy_invalid', `there is no indicator ${pin.id}`, {
          field: 'indicators',
          fix: 'Choose from the list of indicators.',
        })
      }
      return { ...pin, version: indicator.version }
    }),
  })
  requireDlpIndicators(definition, indicators)
  return definition
}

/** A template about members of groups says nothing of people without one: bounded to nobody, it would mean everybody. */
export function requireGroups(template: PolicyTemplate, { groups = [] }: { groups?: readonly string[] }): void {
  if (template.groups.length === 0 || groups.length > 0) return
  throw new AppError('policy_invalid', `${template.title} names no group`, {
    field: 'settings.groups',
    fix: 'Name one group or more, as HR files write them; without any, choose the template for everybody.',
  })
}

/** DLP policies can only be chosen for what counts findings of data loss prevention, by number. */
export function requireDlpIndicators(
  { settings }: PolicyDefinition,
  indicators: ReadonlyMap<string, Pick<IndicatorDefinition, 'where' | 'measure'>>,
): void {
  const wrong = settings.triggers.indicators.find(({ id, dlpPolicies }) => {
    const indicator = indicators.get(id)
    return dlpPolicies !== undefined && !(indicator && countsDlpFindings(indicator))
  })
  if (!wrong) return
  throw new AppError('policy_invalid', `${wrong.id} does not count findings of data loss prevention`, {
    field: 'settings.triggers.indicators',
    fix: 'Choose DLP policies for dlp-high-finding, or for an indicator that counts the category dlp alone.',
  })
}

/** Checks what an admin sent as a new version; throws policy_invalid with the field. */
export function parsePolicyDefinition(document: unknown): PolicyDefinition {
  const parsed = policyDefinition.safeParse(document)
  if (parsed.success) return parsed.data
  const { field, what, fix } = explainIssue(parsed.error)
  throw new AppError('policy_invalid', `the policy does not fit: ${what} at ${field || 'the top'}`, { field, fix })
}
