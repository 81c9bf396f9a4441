import type { Random } from './random.ts'

/** Accounts, buckets and what lies in them. */
export interface Bucket {
  name: string
  /** Index of the organisation's account that owns it. */
  account: number
  objects: number
  folders: readonly string[]
  extensions: readonly string[]
  /** Bytes of an ordinary object; single ones are up to a hundred times larger. */
  typicalBytes: number
}

export const DEPARTMENTS = [
  'Engineering',
  'Research',
  'Finance',
  'Sales',
  'Legal',
  'Operations',
  'Design',
  'Support',
] as const
export type Department = (typeof DEPARTMENTS)[number]

const bucket = (
  name: string,
  account: number,
  objects: number,
  typicalBytes: number,
  folders: string,
  extensions: string,
): Bucket => ({
  name,
  account,
  objects,
  typicalBytes,
  folders: folders.split(' '),
  extensions: extensions.split(' '),
})

const KB = 1_000
const MB = 1_000_000

export const HOMES = bucket('northbridge-homes', 0, 40_000, 200 * KB, 'notes drafts desk', 'docx xlsx pdf md')
export const SHARED = bucket(
  'northbridge-shared',
  0,
  30_000,
  400 * KB,
  'templates all-hands policies minutes',
  'pptx docx pdf',
)
export const RELEASES = bucket('northbridge-releases', 1, 3_000, 12 * MB, 'candidate stable symbols', 'tar.zst whl jar')
export const ARCHIVE_FROM = bucket('northbridge-archive-old', 0, 60_000, 8 * MB, '2021 2022 2023', 'parquet zip')
export const ARCHIVE_TO = bucket('northbridge-archive', 1, 60_000, 8 * MB, '2021 2022 2023', 'parquet zip')
/** What somebody would take along. */
export const CROWN_JEWELS = [
  bucket('northbridge-designs', 1, 9_000, 6 * MB, 'turbine gearbox blades test-stand', 'step dwg pdf'),
  bucket('northbridge-pricing', 0, 4_000, 3 * MB, 'tenders margins discounts', 'xlsx csv'),
  bucket('northbridge-models', 1, 6_000, 40 * MB, 'fatigue wind-field control', 'h5 onnx parquet'),
] as const
export const ACCESS_LOGS = bucket('northbridge-access-logs', 0, 900_000, 20 * KB, 'designs homes shared', 'log')

/** The buckets of each department, the busiest first. */
export const DEPARTMENT_BUCKETS: Readonly<Record<Department, readonly Bucket[]>> = {
  Engineering: [
    bucket('northbridge-builds', 1, 20_000, 3 * MB, 'nightly logs artifacts', 'tar.gz json log'),
    SHARED,
    HOMES,
  ],
  Research: [bucket('northbridge-experiments', 1, 15_000, 4 * MB, 'runs plots raw', 'parquet png csv'), SHARED, HOMES],
  Finance: [bucket('northbridge-ledger', 0, 8_000, 300 * KB, 'q1 q2 q3 q4 audit', 'xlsx csv pdf'), SHARED, HOMES],
  Sales: [bucket('northbridge-offers', 0, 12_000, 500 * KB, 'north south partners', 'pdf docx pptx'), SHARED, HOMES],
  Legal: [bucket('northbridge-contracts', 0, 6_000, 400 * KB, 'signed drafts nda', 'pdf docx'), SHARED, HOMES],
  Operations: [
    bucket('northbridge-telemetry', 1, 50_000, 1 * MB, 'park-a park-b park-c', 'parquet json'),
    SHARED,
    HOMES,
  ],
  Design: [bucket('northbridge-media', 0, 10_000, 5 * MB, 'renders photos brand', 'png psd mp4'), SHARED, HOMES],
  Support: [
    bucket('northbridge-tickets', 0, 25_000, 150 * KB, 'open closed attachments', 'json png txt'),
    SHARED,
    HOMES,
  ],
}

/** The key of a bucket's n-th object; the same number is the same object for everybody. */
export function objectKey({ folders, extensions }: Bucket, number: number): string {
  const folder = folders[number % folders.length] as string
  const shelf = Math.floor(number / folders.length) % 40
  return `${folder}/${String(shelf).padStart(2, '0')}/${folder}-${number.toString(36).padStart(4, '0')}.${extensions[number % extensions.length]}`
}

/** Skewed as file sizes are: mostly around the typical one, a few far above. */
export const objectBytes = ({ typicalBytes }: Bucket, random: Random): number =>
  Math.round(typicalBytes * 0.1 * 10 ** (random.unit() + random.unit() * random.unit() * 1.2))
