import { exchange, NoAnswer, type ScriptIds, tokenRequest, type WireAnswer } from './microsoft-upload-client.ts'

/**
 * Plays Microsoft's `push_physical_badging_records.ps1` as its published text reads: one token a run, asked for five times
 * at most, chunks of records, none of them tried again, and nothing remembered of what was sent.
 * Source: https://github.com/microsoft/m365-physical-badging-connector-sample-scripts (head 2025-05-13)
 */

export interface BadgingRun extends ScriptIds {
  port: number
  records: readonly object[]
  recordsPerCall?: number
  retryMs?: number
  /** Windows PowerShell 5.1 sends Latin-1, PowerShell 7 UTF-8. */
  encoding?: 'latin1' | 'utf8'
  print?: (line: string) => void
}

const TOKEN_ATTEMPTS = 5
/** Statuses that the script takes for success. */
const ACCEPTED = [200, 201, 207]

/** Chunks that were accepted; behind the first one that was not, nothing is sent. */
export async function runBadgingScript(run: BadgingRun): Promise<number> {
  const { records, recordsPerCall = 50_000, print = () => {} } = run
  const token = await tokenOf(run)
  if (token === null) return 0
  let accepted = 0
  for (let from = 0; from < records.length; from += recordsPerCall) {
    const chunk = records.slice(from, from + recordsPerCall)
    let answer: WireAnswer
    try {
      answer = await exchange(run.port, chunkRequest(run, token, chunk))
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      print('Unknown failure while uploading.')
      return accepted
    }
    print(answer.body)
    if (!ACCEPTED.includes(answer.status)) return accepted
    accepted += 1
  }
  return accepted
}

/** As `ConvertTo-Json` writes it: a pipeline of one record is that record, and no list of it. */
function chunkRequest({ jobId, encoding = 'utf8' }: BadgingRun, token: string, chunk: readonly object[]): Buffer {
  const body = Buffer.from(JSON.stringify(chunk.length === 1 ? chunk[0] : chunk, null, 4), encoding)
  const head = [
    `POST /api/signals/physicalbadging?jobid=${jobId} HTTP/1.1`,
    'Accept: application/json',
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Host: risk.example.org',
    '',
    '',
  ].join('\r\n')
  return Buffer.concat([Buffer.from(head), body])
}

async function tokenOf(run: BadgingRun): Promise<string | null> {
  for (let attempt = 1; attempt <= TOKEN_ATTEMPTS; attempt += 1) {
    const answer = await exchange(run.port, tokenRequest(run)).catch(() => null)
    if (answer?.status === 200) return (JSON.parse(answer.body) as { access_token: string }).access_token
    await new Promise((resolve) => setTimeout(resolve, run.retryMs ?? 60_000))
  }
  return null
}
