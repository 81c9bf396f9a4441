import { AppError } from '../domain/errors.ts'
import type { ExporterDefinition } from './exporter.ts'
import * as registry from './registry.ts'

/** Every kind of destination by its id. */
export const exporterKinds: ReadonlyMap<string, ExporterDefinition> = new Map(
  (Object.values(registry) as ExporterDefinition[]).map((definition) => [definition.id, definition]),
)

export function exporterKind(id: string): ExporterDefinition {
  const definition = exporterKinds.get(id)
  if (!definition) {
    throw new AppError('settings_invalid', `there is no kind of destination ${id}`, {
      field: 'kind',
      fix: `Choose one of: ${[...exporterKinds.keys()].join(', ')}.`,
    })
  }
  return definition
}
