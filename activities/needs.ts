import { connectorKind } from '../connectors/kinds.ts'
import { loadTemplates } from '../policies/load.ts'
import type { PolicyTemplate } from '../policies/template.ts'

let loaded: Map<string, PolicyTemplate> | undefined

/** What a template needs: `activities:<kind>` of a connector kind, `facts:<kind>` of a kind of fact. */
export function needsOf(template: string): string[] {
  loaded ??= loadTemplates()
  const { activities = [], facts = [] } = loaded.get(template)?.needs ?? {}
  return [...activities.map((kind) => `activities:${kind}`), ...facts.map((kind) => `facts:${kind}`)]
}

/** Whether connectors of this kind bring what is needed. */
export function brings(connector: string, need: string): boolean {
  const [what, name = ''] = need.split(':')
  return what === 'activities'
    ? connector === name
    : connectorKind(connector).yields.facts.some((fact) => fact === name)
}
