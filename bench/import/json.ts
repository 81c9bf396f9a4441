import type { ConnectorDefinition } from '../../connectors/connector.ts'
import type { Batches } from '../../connectors/files/batches.ts'
import { readJsonLines } from '../../connectors/files/json-lines.ts'
import { readJsonRecords } from '../../connectors/files/json-records.ts'
import type { Encoding } from '../../connectors/files/text.ts'
import { connectorKind } from '../../connectors/kinds.ts'
import { parseSettings } from '../../domain/form.ts'
import { seeded } from './file.ts'

export interface JsonRatio {
  megabytes: number
  bareSeconds: number
  readSeconds: number
}

/** Of this process: on a machine that others use too, CPU says more than the clock. */
const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

const EVENTS = 100_000
const ROUNDS = 5

/** Events of about 790 bytes, as audit logs have them. */
function eventLines(): Buffer {
  const random = seeded(7)
  const lines: string[] = []
  for (let n = 0; n < EVENTS; n += 1) {
    const person = Math.floor(random() * 20_000)
    lines.push(
      JSON.stringify({
        CreationTime: new Date(Date.parse('2026-03-02T00:00:00Z') + n * 1000).toISOString(),
        Id: `e-${n}-${Math.floor(random() * 2 ** 32)}`,
        Operation: 'FileDownloaded',
        OrganizationId: '6f1c2c52-5f0a-4b8e-9a41-0f5d3a6c7b10',
        RecordType: 6,
        UserKey: `i:0h.f|membership|${person}@live.example`,
        UserType: 0,
        Version: 1,
        Workload: 'SharePoint',
        ClientIP: `198.51.100.${person % 256}`,
        ObjectId: `https://example.sharepoint.invalid/sites/finance/Shared Documents/report-${n}.xlsx`,
        UserId: `employee-${person}@example.com`,
        CorrelationId: 'a1b2c3d4-0000-4000-8000-123456789abc',
        EventSource: 'SharePoint',
        ItemType: 'File',
        ListId: 'e3a0d1a2-1111-4222-8333-444455556666',
        Site: '0b9f6f3e-7777-4888-8999-aaaabbbbcccc',
        UserAgent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)',
        WebId: 'd2f4c6e8-dddd-4eee-8fff-000011112222',
        SourceFileExtension: 'xlsx',
        SiteUrl: 'https://example.sharepoint.invalid/sites/finance/',
        SourceRelativeUrl: 'Shared Documents',
      }),
    )
  }
  return Buffer.from(`${lines.join('\n')}\n`)
}

/** The same as badge readers write it, an array of them, about 200 bytes each. */
function badgeArray(): Buffer {
  const random = seeded(8)
  const events = Array.from({ length: EVENTS }, (_, n) => ({
    AssetId: `DOOR-${Math.floor(random() * 400)}`,
    AssetName: 'Main Building, first floor, middle section',
    EventTime: new Date(Date.parse('2026-03-02T00:00:00Z') + n * 1000).toISOString().slice(0, 19),
    AccessStatus: random() < 0.02 ? 'Failed' : 'Success',
    UserId: `employee-${Math.floor(random() * 20_000)}@example.com`,
    SourceSystem: 'Lenel',
  }))
  return Buffer.from(JSON.stringify(events, null, 1))
}

/** Reading and mapping JSON lines, and what `JSON.parse` alone takes for the same lines. */
export function jsonLines(): Promise<JsonRatio> {
  const bytes = eventLines()
  const kind = connectorKind('custom-file')
  const config = parseSettings(kind.config, {
    format: 'json_lines',
    columns: { person: 'UserId', at: 'CreationTime', action: 'Operation', object: 'ObjectId', ip: 'ClientIP' },
    verbs: { FileDownloaded: 'download' },
    eventIdColumns: ['Id'],
  })
  return ratio(bytes, {
    bare() {
      let parsed = 0
      for (let from = 0, to = bytes.indexOf(10); to !== -1; from = to + 1, to = bytes.indexOf(10, from)) {
        parsed += Object.keys(JSON.parse(bytes.toString('utf8', from, to))).length > 0 ? 1 : 0
      }
      return parsed
    },
    async read() {
      return mapped(kind, config, await readJsonLines(cut(bytes), config))
    },
  })
}

/** Reading and mapping an array of badge events, and what `JSON.parse` alone takes for it. */
export function badgeJson(): Promise<JsonRatio> {
  const bytes = badgeArray()
  const kind = connectorKind('physical-badging')
  const config = parseSettings(kind.config, {})
  return ratio(bytes, {
    bare: () => (JSON.parse(bytes.toString()) as unknown[]).length,
    read: async () => mapped(kind, config, await readJsonRecords(cut(bytes), config as { encoding: Encoding })),
  })
}

async function mapped(kind: ConnectorDefinition, config: unknown, batches: Batches<unknown>): Promise<number> {
  let activities = 0
  for await (const { records } of batches.runs()) {
    for (const { record } of records) if (kind.map(record, config as never).type === 'activity') activities += 1
  }
  return activities
}

interface Ways {
  bare(): number
  read(): Promise<number>
}

/** The best of several rounds of each; both have to have met every event. */
async function ratio(bytes: Buffer, { bare, read }: Ways): Promise<JsonRatio> {
  let bareSeconds = Number.POSITIVE_INFINITY
  let readSeconds = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round += 1) {
    let startedAt = cpuSeconds()
    const parsed = bare()
    bareSeconds = Math.min(bareSeconds, cpuSeconds() - startedAt)
    startedAt = cpuSeconds()
    const found = await read()
    readSeconds = Math.min(readSeconds, cpuSeconds() - startedAt)
    if (parsed !== EVENTS || found !== EVENTS) throw new Error(`${found} of ${EVENTS} events were mapped`)
  }
  return { megabytes: bytes.length / 1e6, bareSeconds, readSeconds }
}

async function* cut(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 1 << 20) yield bytes.subarray(at, at + (1 << 20))
}
