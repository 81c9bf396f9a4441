import { z } from 'zod'
import type { Fact, Identifier, Mapped, Rejected } from '../../domain/signal.ts'
import { defineConnector, type Page, type ReadInput } from '../connector.ts'
import { ADDRESS, requireColumns } from '../files/columns.ts'
import { parseDate } from '../files/dates.ts'
import { type DelimitedRow, readDelimited } from '../files/delimited.ts'
import { filePrerequisites, fileSettings } from '../files/settings.ts'
import { HR_SCENARIOS, type HrScenario, rolesOf } from './scenarios.ts'
import { suggest } from './suggest.ts'

/** An import older than this is stale. */
const FRESH_DAYS = 7

const scenario = z.strictObject({
  scenario: z.enum(HR_SCENARIOS),
  /** Cell value of the identifier column that names this scenario. */
  identifierValue: z.string().min(1).optional(),
  /** Role of a column → its header in the file. */
  columns: z.record(z.string(), z.string().min(1)),
})

const config = z
  .strictObject({
    scenarios: z.array(scenario).min(1).meta({ title: 'Scenarios and their columns' }),
    identifierColumn: z.string().min(1).optional().meta({ title: 'Column that names the scenario of a row' }),
    ...fileSettings,
    withdrawnColumn: z.string().min(1).optional().meta({ title: 'Column by which a row takes a fact back' }),
    withdrawnValues: z
      .array(z.string().min(1))
      .default(['true', 'yes', '1', 'withdrawn'])
      .meta({ title: 'Its values' }),
  })
  .check((context) => {
    const { scenarios, identifierColumn } = context.value
    for (const [index, { scenario: kind, columns, identifierValue }] of scenarios.entries()) {
      const roles = rolesOf(kind)
      for (const role of roles) {
        if (role.required && !columns[role.id])
          issue(['scenarios', index, 'columns', role.id], 'the required column is not mapped')
      }
      for (const id of Object.keys(columns)) {
        if (!roles.some((role) => role.id === id)) issue(['scenarios', index, 'columns', id], 'there is no such role')
      }
      if (scenarios.length > 1 && !identifierValue)
        issue(['scenarios', index, 'identifierValue'], 'needed with several scenarios')
    }
    if (scenarios.length > 1 && !identifierColumn) issue(['identifierColumn'], 'needed with several scenarios')

    function issue(path: (string | number)[], message: string): void {
      context.issues.push({ code: 'custom', path, message, input: context.value })
    }
  })
export type HrConfig = z.output<typeof config>

export const hr = defineConnector<typeof config, DelimitedRow>({
  id: 'hr',
  title: 'HR',
  says: 'Resignations, level changes, reviews, improvement plans, profiles and groups from a CSV file of the HR system.',
  delivery: 'push',
  yields: { activities: false, facts: HR_SCENARIOS },
  guide: 'docs/guides/hr.md',
  config,
  everySeconds: 60,
  microsoftScript: 'csv',
  prerequisites: filePrerequisites('hr-fresh', () => FRESH_DAYS),
  suggest,
  read,
  map,
})

async function* read(input: ReadInput<HrConfig>): AsyncGenerator<Page<DelimitedRow>> {
  if (!input.file || (input.position as { done?: boolean } | null)?.done) return
  const { records } = await readDelimited(input.file.open(), input.config, (header) =>
    checkColumns(header, input.config),
  )
  yield { origin: input.file.name, records, after: { done: true } }
}

/** A missing mandatory column stops the import before anything of the file is stored. */
function checkColumns(header: readonly string[], settings: HrConfig): void {
  const required = settings.scenarios.flatMap(({ scenario: kind, columns }) =>
    rolesOf(kind).flatMap((role) => (role.required ? [columns[role.id] as string] : [])),
  )
  if (settings.identifierColumn) required.push(settings.identifierColumn)
  requireColumns(header, required)
}

function map(row: DelimitedRow, settings: HrConfig): Mapped {
  if (typeof row !== 'object' || row === null || Array.isArray(row.cells)) return reject('column_count')
  const cell = (name: string | undefined): string => {
    const value = name === undefined ? undefined : (row as Record<string, unknown>)[name.toLowerCase()]
    return typeof value === 'string' ? value.trim() : ''
  }
  const chosen = scenarioOf(cell, settings)
  if (!chosen)
    return reject(
      'scenario_unknown',
      settings.identifierColumn,
      `one of ${settings.scenarios.map((each) => each.identifierValue).join(', ')}`,
    )
  const roles = rolesOf(chosen.scenario)
  const aliases: Identifier[] = []
  const attributes: Record<string, string> = {}
  const personal: Record<string, string> = {}
  const fact: Partial<Omit<Fact, 'type'>> = {}
  for (const role of roles) {
    const column = chosen.columns[role.id]
    const value = cell(column)
    if (value === '') {
      if (role.required) return reject('required_cell_empty', column)
      continue
    }
    if (role.maxLength !== undefined && value.length > role.maxLength)
      return reject('value_too_long', column, `at most ${role.maxLength} characters`)
    if (role.as === 'person') {
      if (!ADDRESS.test(value)) return reject('identifier_invalid', column, 'name@example.com')
      fact.person = { scheme: 'address', value }
    } else if (role.as === 'alias') {
      aliases.push({ scheme: role.id === 'employeeNumber' ? 'employee_number' : 'user_name', value })
    } else if (role.as === 'attribute') attributes[role.id] = value
    else if (role.as === 'personal') personal[role.id] = value
    else {
      const date = parseDate(value, settings.dateFormat, settings.assumedZone)
      if (!date) return reject('date_invalid', column, settings.dateFormat === 'iso' ? 'ISO 8601' : settings.dateFormat)
      if (role.as === 'effective') fact.effectiveAt = date.at
      else fact.lastWorkingAt = date.at
      if (date.zoneAssumed) fact.zoneAssumed = true
    }
  }
  const withdrawn = settings.withdrawnValues.some(
    (value) => value.toLowerCase() === cell(settings.withdrawnColumn).toLowerCase(),
  )
  const { person, effectiveAt = PROFILE_SINCE } = fact
  if (!person) return reject('required_cell_empty')
  return {
    type: 'fact',
    kind: chosen.scenario,
    person,
    ...(aliases.length > 0 ? { aliases } : {}),
    naturalKey: naturalKey(chosen.scenario, effectiveAt, attributes['group']),
    effectiveAt,
    ...(fact.lastWorkingAt ? { lastWorkingAt: fact.lastWorkingAt } : {}),
    ...(withdrawn ? { withdrawn } : {}),
    ...(fact.zoneAssumed ? { zoneAssumed: true } : {}),
    attributes,
    ...(Object.keys(personal).length > 0 ? { personal } : {}),
  }
}

/** Profiles and memberships have no date of their own: they are true until another row says otherwise. */
const PROFILE_SINCE = new Date(0)

/** One resignation and one profile per person, one membership per group; of the others one a day. */
function naturalKey(kind: HrScenario, effectiveAt: Date, group = ''): string {
  if (kind === 'resignation' || kind === 'employee_profile') return kind
  return `${kind}/${kind === 'group_member' ? group.toLowerCase() : effectiveAt.toISOString().slice(0, 10)}`
}

function scenarioOf(cell: (name: string | undefined) => string, settings: HrConfig) {
  if (!settings.identifierColumn) return settings.scenarios[0]
  const value = cell(settings.identifierColumn).toLowerCase()
  return settings.scenarios.find((each) => each.identifierValue?.toLowerCase() === value)
}

const reject = (code: Rejected['code'], column?: string, expected?: string): Rejected => ({
  type: 'rejected',
  code,
  ...(column === undefined ? {} : { cell: column }),
  ...(expected === undefined ? {} : { expected }),
})
