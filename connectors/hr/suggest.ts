import type { ConnectorDefinition, SuggestedColumn } from '../connector.ts'
import { suggestColumns } from '../files/columns.ts'
import { delimitedOnly, suggestRoles } from '../files/suggest.ts'
import { list, object } from '../values.ts'
import { HR_SCENARIOS, type HrScenario, rolesOf } from './scenarios.ts'

/** Scenarios that the admin has named, else the one that the headers tell, each with its columns. */
export const suggest: NonNullable<ConnectorDefinition['suggest']> = (sample, settings) => {
  delimitedOnly(sample)
  const named = list(settings['scenarios']).map(object).filter(isScenario)
  const likely = named.length > 0 ? undefined : likeliest(sample.names)
  const columns: SuggestedColumn[] = []
  const scenarios = (likely ? [{ scenario: likely }] : named).map((each) => {
    const found = suggestRoles(rolesOf(each.scenario), sample.names, each['columns'])
    columns.push(...found.columns)
    return { ...each, columns: found.mapping }
  })
  return { columns, settings: scenarios.length > 0 ? { scenarios } : {} }
}

type Named = Record<string, unknown> & { scenario: HrScenario }
const isScenario = (each: Record<string, unknown>): each is Named =>
  (HR_SCENARIOS as readonly unknown[]).includes(each['scenario'])

/** That of which most columns are there; of as many, the one that lacks fewest. Undefined: none has one of its own. */
function likeliest(names: readonly string[]): HrScenario | undefined {
  const ranked = HR_SCENARIOS.map((scenario) => {
    const found = suggestColumns(rolesOf(scenario), names)
    const own = Object.keys(found).filter((id) => !EVERYWHERE.has(id)).length
    return { scenario, own, lacking: rolesOf(scenario).filter(({ id, required }) => required && !found[id]).length }
  })
  const [best] = ranked.sort((a, b) => b.own - a.own || a.lacking - b.lacking)
  return best && best.own > 0 ? best.scenario : undefined
}

/** Columns that rows of every scenario may have. */
const EVERYWHERE = new Set(['person', 'employeeNumber', 'userName'])
