import { randomUUID } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { LOOPBACK } from './listening.ts'

/**
 * Plays Microsoft's `sample_script.ps1` as its published text reads: blocks of physical lines, a token per attempt, 15
 * attempts 60 s apart, a checkpoint behind each accepted block. Requests are put together byte by byte and sent over a
 * plain socket, since no client library sends what .NET sends.
 * Source: https://github.com/microsoft/m365-compliance-connector-sample-scripts (head 2026-02-04)
 */

/** What went over the wire in answer. */
export interface WireAnswer {
  status: number
  /** Reason phrase. */
  reason: string
  /** Names in lower case. */
  headers: Record<string, string>
  body: string
  /** An interim `100 Continue` came first. */
  continued: boolean
}

/** The connection was refused, reset or closed, or nothing came in time. */
export class NoAnswer extends Error {}

/** Sends bytes over a connection of its own and reads one answer. Throws NoAnswer. */
export function exchange(
  port: number,
  request: Uint8Array | Iterable<Uint8Array>,
  timeoutMs = 400_000,
): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, LOOPBACK)
    const timer = setTimeout(() => fail('time is up'), timeoutMs)
    let received = Buffer.alloc(0)
    const fail = (why: string) => {
      clearTimeout(timer)
      socket.destroy()
      reject(new NoAnswer(why))
    }
    socket.on('error', (error) => fail(error.message))
    socket.on('close', () => fail('closed without an answer'))
    socket.on('data', (piece) => {
      received = Buffer.concat([received, piece])
      const answer = parsed(received)
      if (answer === null) return
      clearTimeout(timer)
      resolve(answer)
      socket.end()
    })
    socket.once('connect', () => void write(socket, request instanceof Uint8Array ? [request] : request))
  })
}

async function write(socket: Socket, pieces: Iterable<Uint8Array>): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return
    if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), once(socket, 'close')])
  }
}

const once = (socket: Socket, event: string): Promise<void> => new Promise((resolve) => socket.once(event, resolve))

/** The answer in these bytes; null while it is not whole. */
function parsed(bytes: Buffer): WireAnswer | null {
  let rest = bytes
  let continued = false
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    if (end < 0) return null
    const [start = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n')
    const [, status = '0', reason = ''] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(start) ?? []
    rest = rest.subarray(end + 4)
    if (status === '100') {
      continued = true
      continue
    }
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const length = Number(headers['content-length'] ?? 0)
    if (rest.length < length) return null
    return { status: Number(status), reason, headers, body: rest.subarray(0, length).toString(), continued }
  }
}

export interface ScriptIds {
  tenantId: string
  appId: string
  appSecret: string
  jobId: string
}

/** The request for a token as .NET's FormUrlEncodedContent writes it. */
export function tokenRequest({ tenantId, appId, appSecret }: ScriptIds, prefix = ''): Buffer {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: appId,
    client_secret: appSecret,
    resource: 'https://microsoft.onmicrosoft.com/86dfdabb-5089-4a0c-880a-cfa5a790c5b1',
    tenant_id: tenantId,
  }).toString()
  return Buffer.from(
    [
      `POST ${prefix}/${tenantId}/oauth2/token?api-version=1.0 HTTP/1.1`,
      'Content-Type: application/x-www-form-urlencoded',
      `Content-Length: ${Buffer.byteLength(form)}`,
      'Host: risk.example.org',
      '',
      form,
    ].join('\r\n'),
  )
}

export interface BlockRequest {
  token: string
  jobId: string
  fileName: string
  body: string | Uint8Array
  /** Request target up to the query. */
  path?: string
  boundary?: string
  /** Further header lines. */
  headers?: readonly string[]
}

/** The upload of a block as .NET's MultipartFormDataContent writes it: nothing but the boundary is quoted. */
export function blockRequest(request: BlockRequest): Buffer {
  const { token, jobId, fileName, body, path = '/api/signals', boundary = randomUUID(), headers = [] } = request
  const form = Buffer.concat([
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name=file; filename=${fileName}; filename*=utf-8''${fileName}\r\n\r\n`,
    ),
    Buffer.from(body),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ])
  const head = [
    `POST ${path}?jobid=${jobId} HTTP/1.1`,
    `Authorization: Bearer ${token} `,
    `Content-Type: multipart/form-data; boundary="${boundary}"`,
    `Content-Length: ${form.length}`,
    'Host: risk.example.org',
    ...headers,
    '',
    '',
  ].join('\r\n')
  return Buffer.concat([Buffer.from(head), form])
}

/** Written behind each accepted block; a run of the same file goes on behind it. */
export interface Checkpoint {
  rowsWritten: number
}

export interface ScriptRun extends ScriptIds {
  port: number
  /** Physical lines of the file, the header first. */
  lines: readonly string[]
  checkpoint: Checkpoint
  recordsPerCall?: number
  retryMs?: number
  timeoutMs?: number
  /** The run's GUID; null as scripts of before December 2025, which number alone. */
  guid?: string | null
  /** Lines of what a person at the console sees. */
  print?: (line: string) => void
}

const ATTEMPTS = 15

/** Runs the script once over a file. Throws `Execution failed.` after 15 attempts at a block; the checkpoint stays. */
export async function runUploadScript(run: ScriptRun): Promise<void> {
  const { recordsPerCall = 5_000, retryMs = 60_000, guid = randomUUID(), checkpoint } = run
  const [header, ...rows] = run.lines
  let sequence = 0
  while (checkpoint.rowsWritten < rows.length) {
    const block = rows.slice(checkpoint.rowsWritten, checkpoint.rowsWritten + recordsPerCall)
    sequence += 1
    const fileName = `tmp${guid === null ? '' : `_${guid}`}${String(sequence).padStart(4, '0')}.txt`
    const body = `${[header, ...block].join('\r\n')}\r\n`
    for (let attempt = 1; ; attempt += 1) {
      try {
        await attemptBlock(run, fileName, body)
        break
      } catch {
        await sleep(retryMs)
        if (attempt === ATTEMPTS) throw new Error('Execution failed.')
      }
    }
    checkpoint.rowsWritten += block.length
  }
}

async function attemptBlock(run: ScriptRun, fileName: string, body: string): Promise<void> {
  const { port, timeoutMs = 400_000, print = () => {} } = run
  const token = await tokenOf(run, timeoutMs)
  let answer: WireAnswer
  try {
    answer = await exchange(port, blockRequest({ token, jobId: run.jobId, fileName, body }), timeoutMs)
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error
    // The script goes on as if the block had arrived.
    print('Unknown failure while uploading.')
    return
  }
  if (answer.status >= 200 && answer.status < 300) {
    print('Upload Successful')
    if (answer.body.trim() !== '') print(`Body : ${answer.body}`)
    return
  }
  print(`${answer.status} ${answer.reason}`)
  print(answer.body)
  throw new Error(`HTTP ${answer.status}`)
}

/** Any failure here, a lost connection included, is an attempt that failed. */
async function tokenOf(run: ScriptRun, timeoutMs: number): Promise<string> {
  let answer: WireAnswer
  try {
    answer = await exchange(run.port, tokenRequest(run), timeoutMs)
  } catch (error) {
    throw new Error(`no token: ${(error as Error).message}`)
  }
  if (answer.status !== 200) {
    run.print?.(`${answer.status} ${answer.reason} ${answer.body}`)
    throw new Error(`no token: HTTP ${answer.status}`)
  }
  return (JSON.parse(answer.body) as { access_token: string }).access_token
}
