import { generateHospital } from '/work/wt/health/sandbox/organisation/hospital.ts'
import { healthcare } from '/work/wt/health/connectors/healthcare/connector.ts'
import { parseSettings } from '/work/wt/health/domain/form.ts'
import { parseDate } from '/work/wt/health/connectors/files/dates.ts'
const h = generateHospital({ seed: 1, staff: 600, weeks: 8, until: new Date('2026-11-24') })
const config = parseSettings(healthcare.config as any, h.accesses.settings)
const rows: any[] = []
async function* open() { yield h.accesses.bytes }
let t = performance.now()
for await (const page of healthcare.read({ config, position: null, until: new Date(), seen: async () => new Set(), signal: new AbortController().signal, file: { kind: 'file', name: 'x', open } } as any)) for await (const { records } of (page.records as any).runs()) for (const r of records) rows.push(r.record)
console.log('read', rows.length, (performance.now() - t).toFixed(0))
t = performance.now(); for (const r of rows) healthcare.map(r, config); console.log('map', (performance.now() - t).toFixed(0))
t = performance.now(); for (const r of rows) parseDate(r['access time'], 'iso', 'UTC'); console.log('dates', (performance.now() - t).toFixed(0))
