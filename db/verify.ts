import { sql } from 'kysely'
import { canonicalJson } from '../domain/canonical.ts'
import { type Activation, receiptDocument, scoreOf, severityOf, weightOf } from '../domain/score.ts'
import { alertEvent, readContributions } from './alerts.ts'
import { AUDIT_GENESIS, auditHash } from './audit.ts'
import type { Database } from './connection.ts'
import { manifestDigest } from './deliveries.ts'
import { sha256 } from './hash.ts'

export interface Verification {
  checked: number
  /** The first thing that is not as it was written, by name; null when everything is. */
  untruth: string | null
}

const PAGE = 500

/** Recomputes every score from its contributions, and every receipt's hash from all that it holds. */
export async function verifyReceipts(db: Database): Promise<Verification> {
  let checked = 0
  for (let after = '00000000-0000-0000-0000-000000000000'; ; ) {
    const receipts = await db
      .selectFrom('receipt')
      .innerJoin('policy_version', (join) =>
        join
          .onRef('policy_version.policy_id', '=', 'receipt.policy_id')
          .onRef('policy_version.version', '=', 'receipt.policy_version'),
      )
      .selectAll('receipt')
      .select(['policy_version.definition', 'policy_version.sha256 as definition_sha256'])
      .where('receipt.id', '>', after)
      .orderBy('receipt.id')
      .limit(PAGE)
      .execute()
    for (const receipt of receipts) {
      const contributions = await readContributions(db, receipt.id)
      const name = `receipt ${receipt.id} of alert ${receipt.alert_id}`
      for (const { indicatorId, day, baseWeight, boosters, weight } of contributions) {
        const recomputed = weightOf(baseWeight, boosters)
        if (recomputed !== weight) {
          return { checked, untruth: `${name}: ${indicatorId} on ${day} weighs ${recomputed}, stored is ${weight}` }
        }
      }
      const score = scoreOf(contributions)
      if (score !== receipt.score)
        return { checked, untruth: `${name}: the score is ${score}, stored is ${receipt.score}` }
      const definition = receipt.definition as unknown as {
        settings: { severityBands: { medium: number; high: number } }
      }
      if (sha256(canonicalJson(definition)) !== receipt.definition_sha256) {
        return { checked, untruth: `version ${receipt.policy_version} of policy ${receipt.policy_id} was changed` }
      }
      const severity = severityOf(score, definition.settings.severityBands)
      if (severity !== receipt.severity)
        return { checked, untruth: `${name}: the severity is ${severity}, stored is ${receipt.severity}` }
      const document = receiptDocument(
        {
          alertId: receipt.alert_id,
          policyId: receipt.policy_id,
          policyVersion: receipt.policy_version,
          engineVersion: receipt.engine_version,
          asOf: receipt.as_of.toISOString(),
          activation: receipt.trigger as unknown as Activation,
          score: receipt.score,
          severity,
        },
        contributions,
      )
      if (sha256(canonicalJson(document)) !== receipt.sha256)
        return { checked, untruth: `${name}: its content does not match its hash` }
      checked += 1
    }
    if (receipts.length < PAGE) break
    after = (receipts.at(-1) as { id: string }).id
  }
  return verifyVersions(db, checked)
}

/** An alert and its versions show the score of the receipt they stand on. */
async function verifyVersions(db: Database, checked: number): Promise<Verification> {
  const differing = await db
    .selectFrom('alert_version')
    .innerJoin('receipt', 'receipt.id', 'alert_version.receipt_id')
    .select(['alert_version.alert_id', 'alert_version.version'])
    .where((eb) =>
      eb.or([
        eb('alert_version.score', '<>', eb.ref('receipt.score')),
        eb('alert_version.severity', '<>', eb.ref('receipt.severity')),
        eb('alert_version.alert_id', '<>', eb.ref('receipt.alert_id')),
      ]),
    )
    .limit(1)
    .executeTakeFirst()
  if (differing)
    return { checked, untruth: `version ${differing.version} of alert ${differing.alert_id} differs from its receipt` }
  const stale = await db
    .selectFrom('alert')
    .innerJoin('alert_version', (join) =>
      join.onRef('alert_version.alert_id', '=', 'alert.id').onRef('alert_version.version', '=', 'alert.version'),
    )
    .select('alert.id')
    .where((eb) =>
      eb.or([
        eb('alert.score', '<>', eb.ref('alert_version.score')),
        eb('alert.severity', '<>', eb.ref('alert_version.severity')),
        eb('alert.state', '<>', eb.ref('alert_version.state')),
      ]),
    )
    .limit(1)
    .executeTakeFirst()
  return { checked, untruth: stale ? `alert ${stale.id} differs from its latest version` : null }
}

/** Walks the audit chain from its beginning: every hash, every link, no gap. */
export async function verifyAudit(db: Database): Promise<Verification> {
  let checked = 0
  let previous = AUDIT_GENESIS
  for (;;) {
    const rows = await db
      .selectFrom('audit_entry')
      .selectAll()
      .where('seq', '>', checked)
      .orderBy('seq')
      .limit(PAGE)
      .execute()
    for (const row of rows) {
      if (row.seq !== checked + 1) return { checked, untruth: `audit entry ${checked + 1} is missing` }
      if (row.previous_hash !== previous)
        return { checked, untruth: `audit entry ${row.seq} does not follow the one before it` }
      if (auditHash(row) !== row.hash) return { checked, untruth: `audit entry ${row.seq} was changed` }
      previous = row.hash
      checked += 1
    }
    if (rows.length < PAGE) return { checked, untruth: null }
  }
}

/**
 * Checks each destination's sequence: gapless from 1, accepted in order, every payload the bytes of its hash and of the
 * alert version it tells, every manifest true of what it covers, and no alert version left untold.
 */
export async function verifyExports(db: Database): Promise<Verification> {
  let checked = 0
  const destinations = await db.selectFrom('destination').selectAll().orderBy('id').execute()
  for (const destination of destinations) {
    let covered: { number: number; event_id: string; payload_sha256: string }[] = []
    let number = 0
    for (;;) {
      const rows = await db
        .selectFrom('delivery')
        .selectAll()
        .where('destination_id', '=', destination.id)
        .where('number', '>', number)
        .orderBy('number')
        .limit(PAGE)
        .execute()
      for (const row of rows) {
        number += 1
        const name = `delivery ${number} of destination ${destination.id}`
        if (row.number !== number) return { checked, untruth: `${name} is missing` }
        if (sha256(row.payload) !== row.payload_sha256)
          return { checked, untruth: `${name}: its payload does not match its hash` }
        if ((row.state === 'accepted') !== number <= destination.accepted_number) {
          return {
            checked,
            untruth: `${name} is ${row.state}, but number ${destination.accepted_number} is the last accepted`,
          }
        }
        const event = JSON.parse(row.payload) as Record<string, unknown>
        if (event['event_id'] !== row.event_id) return { checked, untruth: `${name} tells of another event` }
        if (row.kind === 'alert') {
          const { because, ...told } = await alertEvent(
            db,
            row.alert_id as string,
            row.alert_version as number,
            linkBase(event),
          )
          // What was told before events had this member stands as it was told.
          if (canonicalJson('because' in event ? { ...told, because } : told) !== row.payload)
            return { checked, untruth: `${name} differs from the alert version it tells` }
        } else {
          if (event['count'] !== covered.length || event['sha256'] !== manifestDigest(covered)) {
            return { checked, untruth: `${name}: the manifest is not true of what it covers` }
          }
          const anchor = String(event['audit_head'])
          const anchored = await db
            .selectFrom('audit_entry')
            .select('seq')
            .where('hash', '=', anchor)
            .executeTakeFirst()
          if (!anchored && anchor !== AUDIT_GENESIS)
            return { checked, untruth: `${name}: the audit chain no longer holds its anchor` }
          covered = []
        }
        covered.push({ number, event_id: row.event_id, payload_sha256: row.payload_sha256 })
        checked += 1
      }
      if (rows.length < PAGE) break
    }
    if (number !== destination.last_number) {
      return {
        checked,
        untruth: `destination ${destination.id} ends at ${number}, but ${destination.last_number} were numbered`,
      }
    }
    const untold = await db
      .selectFrom('alert_version')
      .select(['alert_id', 'version'])
      .where('created_at', '>', destination.created_at)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('delivery')
              .select('number')
              .where('destination_id', '=', destination.id)
              .whereRef('delivery.alert_id', '=', 'alert_version.alert_id')
              .whereRef('delivery.alert_version', '=', 'alert_version.version'),
          ),
        ),
      )
      .limit(1)
      .executeTakeFirst()
    if (untold && destination.state !== 'retired') {
      return {
        checked,
        untruth: `version ${untold.version} of alert ${untold.alert_id} was never queued for destination ${destination.id}`,
      }
    }
  }
  return { checked, untruth: null }
}

/** The address of the platform as it was when the event was made. */
const linkBase = (event: Record<string, unknown>): string => String(event['link']).replace(/\/v1\/alerts\/[^/]*$/, '')

/** Every import's totals are the sums of its chunks, and each of its quarantined rows is open, re-driven or expired. */
export async function verifyImports(db: Database): Promise<Verification> {
  let checked = 0
  for (let after = '00000000-0000-0000-0000-000000000000'; ; ) {
    const { rows } = await sql<{ id: string; balanced: boolean; quarantined: number; kept: number }>`
      select import.id, import.quarantined,
             (received, stored, duplicate, quarantined, ignored, chunks::bigint) is not distinct from (
               select (coalesce(sum(c.received), 0), coalesce(sum(c.stored), 0), coalesce(sum(c.duplicate), 0),
                       coalesce(sum(c.quarantined), 0), coalesce(sum(c.ignored), 0), count(*))
               from import_chunk c where c.import_id = import.id) as balanced,
             (select count(*) from quarantined_row q where q.import_id = import.id) as kept
      from import where import.id > ${after}::uuid order by import.id limit ${PAGE}`.execute(db)
    for (const row of rows) {
      if (!row.balanced) return { checked, untruth: `import ${row.id} does not balance with its chunks` }
      if (row.kept !== row.quarantined) {
        return { checked, untruth: `import ${row.id} quarantined ${row.quarantined} rows, ${row.kept} are kept` }
      }
      checked += 1
    }
    if (rows.length < PAGE) return { checked, untruth: null }
    after = rows.at(-1)?.id as string
  }
}
