import { openOriginLookup } from '../../connectors/origin.ts'
import type { Connection } from '../../db/connection.ts'
import { sha256 } from '../../db/hash.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import type { IndicatorDefinition } from '../../policies/indicator.ts'
import { loadIndicators, loadTemplates } from '../../policies/load.ts'
import type { PolicyTemplate } from '../../policies/template.ts'

/** Read once per process: their files are most of what a database of a test's own would cost. */
const once = <T>(read: () => T): (() => T) => {
  let kept: { value: T } | undefined
  return () => {
    kept ??= { value: read() }
    return kept.value
  }
}

export const builtInIndicators: () => ReadonlyMap<string, IndicatorDefinition> = once(loadIndicators)
/** A pure function of the address. */
export const builtInOrigins = once(openOriginLookup)
export const builtInTemplates: () => ReadonlyMap<string, PolicyTemplate> = once(loadTemplates)

const rows = once(() =>
  [...builtInIndicators().values()].map((indicator) => {
    const definition = canonicalJson(indicator)
    return { id: indicator.id, version: indicator.version, definition, sha256: sha256(definition) }
  }),
)

/** Stores the built-in indicators but these, as `syncIndicators` leaves them in a database of the run. */
export async function storeBuiltIn(db: Connection, but: ReadonlySet<string>): Promise<void> {
  await db
    .insertInto('indicator')
    .values(rows().filter(({ id }) => !but.has(id)))
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}
