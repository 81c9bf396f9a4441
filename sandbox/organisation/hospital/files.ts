import type { Balance } from '../trail.ts'

export interface HospitalFile {
  /** The connector that reads it, and its settings. */
  kind: 'hr' | 'healthcare' | 'physical-badging'
  settings: Record<string, unknown>
  name: string
  bytes: Buffer
  expected: Balance
}

export const stored = (rows: number): Balance => ({
  received: rows,
  stored: rows,
  duplicate: 0,
  quarantined: 0,
  ignored: 0,
})

export const csv = (header: readonly string[], rows: readonly (readonly string[])[]): Buffer =>
  Buffer.from(`${[header, ...rows].map((cells) => cells.map(quoted).join(',')).join('\r\n')}\r\n`)

const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)
