import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Client } from '@temporalio/client'
import proto from '@temporalio/proto'
import { createKeyRing, type KeyRing } from '../../db/keyring.ts'

const { History } = proto.temporal.api.history.v1

export type History = proto.temporal.api.history.v1.History
export type HistoryEvent = History['events'][number]

export const HISTORY_SUFFIX = '.history'

/** A key ring of tests: whoever replays opens the payloads with it. */
export const recordedRing = (): KeyRing =>
  JSON.parse(readFileSync(path.join(import.meta.dirname, '../histories/ring.json'), 'utf8'))

/** Where the histories of a test go while the corpus is recorded; undefined in an ordinary run. */
const recording = (): string | undefined => process.env['OPENIRM_RECORD_HISTORIES']

export const ringOfWorld = (): KeyRing => (recording() ? recordedRing() : createKeyRing())

/** A history as text of lines: the message as the server sends it, gzip, base64. */
export function writeHistory(file: string, history: History): void {
  const text = gzipSync(History.encode(history).finish(), { level: 9 }).toString('base64')
  writeFileSync(file, `${text.match(/.{1,120}/g)?.join('\n')}\n`)
}

export const readHistory = (file: string): History =>
  History.decode(gunzipSync(Buffer.from(readFileSync(file, 'utf8'), 'base64')))

/** Saves every run of a world that is about to end, closed or not, one file each. The time-skipping server lists none. */
export async function keepHistories(client: Client): Promise<void> {
  const folder = recording()
  if (!folder || process.env['OPENIRM_SEARCH_ATTRIBUTES'] === 'off') return
  mkdirSync(folder, { recursive: true })
  for await (const { workflowId: id, runId } of client.workflow.list()) {
    // Schedules are workflows of the server itself.
    if (id.startsWith('temporal-sys-')) continue
    const history = await client.workflow.getHandle(id, runId).fetchHistory()
    writeHistory(path.join(folder, `${runId}${HISTORY_SUFFIX}`), scrubbed(history as History))
  }
}

/** Names of machines and places in a source tree change nothing in a replay. */
function scrubbed(history: History): History {
  const worker = new RegExp(`\\d+@${os.hostname().replaceAll('.', '\\.')}`, 'g')
  visit(history, (message) => {
    for (const [name, value] of Object.entries(message)) {
      if (typeof value === 'string') message[name] = name === 'stackTrace' ? '' : value.replace(worker, 'recorder')
    }
  })
  return history
}

/** Calls `see` with every message within a message, itself included. */
export function visit(
  message: unknown,
  see: (holder: Record<string, unknown>, field: string) => void,
  field = '',
): void {
  if (typeof message !== 'object' || message === null || ArrayBuffer.isView(message)) return
  if (Array.isArray(message)) for (const part of message) visit(part, see, field)
  else {
    see(message as Record<string, unknown>, field)
    for (const [name, part] of Object.entries(message)) visit(part, see, name)
  }
}
