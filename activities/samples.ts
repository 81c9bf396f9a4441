import { limitOf, type Page, type SourceRecord } from '../connectors/connector.ts'
import { sampleFields } from '../connectors/files/sample.ts'
import { connectorKind } from '../connectors/kinds.ts'
import { openSealed } from '../db/vault.ts'
import { AppError } from '../domain/errors.ts'
import { shapeOf } from '../domain/shape.ts'
import type { Mapped } from '../domain/signal.ts'
import { type ConfiguredConnector, configuredConnector } from './connector-config.ts'
import type { Deps } from './deps.ts'

/** A set-up with its connector, as far as its sample is read. */
export interface Sampled {
  connector_id: string
  kind: string
  settings: unknown
  secret_id: string | null
  sample_sha256: string | null
  sample_name_id: string | null
}

/**
 * What the sample's fields are likely to be, with settings to take over; `found` are all of them. Settings may be
 * incomplete: what is missing of them is what is asked for. Of a source that is pulled the mapping is its kind's.
 */
export async function suggestMapping(deps: Deps, setup: Sampled): Promise<object> {
  const { suggest } = connectorKind(setup.kind)
  if (!suggest) {
    await configuredConnector(deps.db, deps.vault, setup)
    return { mapping: 'built in', columns: [] }
  }
  const settings = setup.settings as Record<string, unknown>
  const { open } = await sampleFile(deps, setup)
  const fields = await sampleFields(open, settings)
  return { mapping: 'from sample', found: fields.names, ...suggest(fields, settings) }
}

/** The first records of the sample (push) or of the source itself (pull); stores nothing. */
export async function firstRecords(
  deps: Deps,
  setup: Sampled,
  limit: number,
): Promise<{ records: SourceRecord[]; configured: ConfiguredConnector }> {
  const configured = await configuredConnector(deps.db, deps.vault, setup)
  const { definition, config } = configured
  const file = definition.delivery === 'push' ? await sampleFile(deps, setup) : null
  const stop = new AbortController()
  const pages: AsyncIterable<Page> = definition.read({
    config,
    position: null,
    until: new Date(),
    seen: async () => new Set(),
    signal: stop.signal,
    access: deps.access.of(setup.connector_id, limitOf(definition, config)),
    ...(file === null ? {} : { file }),
  })
  const records: SourceRecord[] = []
  for await (const page of pages) {
    for await (const record of page.records) {
      records.push(record)
      if (records.length >= limit) break
    }
    if (records.length >= limit) break
  }
  stop.abort()
  return { records, configured }
}

/** Throws state_conflict where there is none. */
async function sampleFile(deps: Deps, { sample_sha256: sha256, sample_name_id: nameId }: Sampled) {
  if (sha256 === null) {
    throw new AppError('state_conflict', 'the set-up has no sample file yet', { fix: 'Upload a sample file first.' })
  }
  const name = nameId === null ? '' : ((await openSealed(deps.db, deps.vault, [nameId])).get(nameId)?.toString() ?? '')
  return { kind: 'file' as const, name, open: () => deps.spool.read(sha256) }
}

/**
 * What a dry run shows of a decoded record: never the account, and of texts of the source their form alone. At a set-up
 * nobody is known yet whom a look-up could mask.
 */
export function shownOf(mapped: Exclude<Mapped, { type: 'ignored' | 'rejected' }>): Record<string, unknown> {
  if (mapped.type === 'fact') {
    return {
      type: 'fact',
      kind: mapped.kind,
      effectiveAt: mapped.effectiveAt.toISOString(),
      lastWorkingAt: mapped.lastWorkingAt?.toISOString() ?? null,
      personScheme: mapped.person.scheme,
      attributes: shapeOf(mapped.attributes),
      sealedFields: Object.keys(mapped.personal ?? {}),
    }
  }
  if (mapped.type === 'finding') {
    return {
      type: 'finding',
      at: mapped.at.toISOString(),
      nativeEvent: mapped.nativeEvent,
      product: mapped.product,
      severity: mapped.severity,
      category: mapped.category,
      state: mapped.state,
      people: mapped.people.length,
    }
  }
  return {
    type: 'activity',
    at: mapped.at.toISOString(),
    verb: mapped.verb,
    nativeEvent: mapped.nativeEvent,
    outcome: mapped.outcome,
    actorScheme: mapped.actor.scheme,
    actorKind: mapped.actorKind,
    container: shapeOf(mapped.container),
    object: shapeOf(mapped.object),
    sizeBytes: mapped.sizeBytes ?? null,
  }
}
