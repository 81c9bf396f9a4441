import type { Peculiarity } from '../../domain/peculiarities.ts'
import type { VirtualClock } from '../clock.ts'
import { type Fault, type Faults, throttled } from '../faults.ts'
import type { TokenOffice } from '../vendor/tokens.ts'

/** What a source does to its readers. The kit runs every connector against every one of them. */
export const FAULTS = {
  retry_after: '429 with Retry-After in seconds',
  throttled: '429 and 503 without it',
  token_refused: '401 in mid-pagination',
  server_error: '5xx twice, then success',
  outage: 'an outage longer than a reader waits',
  cut: 'connection cut inside a body',
  garbage: 'HTML or an empty body with 200 and 502',
  page_twice: 'the same page twice',
  cursor_rejected: 'cursor rejected',
  forbidden: 'permission refused for good',
  credential_refused: 'credential refused for good',
  redirect: 'redirect to another host',
  foreign_link: 'next page on another host',
} as const
export type FaultId = keyof typeof FAULTS

/** Said instead of doing: why this cannot happen at this vendor. Shown in the table. */
export interface Cannot {
  cannot: string
}

/** What a fixture looks like to the mapping. */
export type Form = 'plain' | 'unknown_type' | 'field_missing' | 'field_odd'

export interface Occurrence {
  /** Stands somewhere in the record, and in no other. */
  marker: string
  /** Address of who did it. */
  person: string
  at: Date
  /** Not readable before this. */
  availableAt: Date
  form: Form
  /** True: so late that no cursor that has moved on shows it any more. */
  behindCursor: boolean
}

/** One request as a stand-in saw it. */
export interface BenchRequest {
  at: Date
  method: string
  path: string
  query: readonly string[]
  headers?: readonly string[]
  operation: string
  status: number | null
}

/** A stand-in as the kit uses it. */
export interface Bench extends AsyncDisposable {
  /** Settings of a connector that reads this stand-in, secrets included. */
  settings: Readonly<Record<string, unknown>>
  clock: VirtualClock
  /** Events that the stand-in puts on one page. */
  pageEvents: number
  requests: readonly BenchRequest[]
  faults: Faults
  /** Operations whose answers hold events or lead to them. */
  data: readonly string[]
  tokens: TokenOffice | Cannot
  /** Whether requests go through the budget of the platform's own client. */
  limit: 'kept' | Cannot
  /** Texts that must show up nowhere; those of `settings` that are declared secret are known already. */
  secrets(): readonly string[]
  stage(occurrence: Occurrence): void
  /** Brings the source to what only some do; `content_listed_again` comes about by itself. */
  peculiar?: Partial<Record<Peculiarity, () => void>>
  /** Takes back what was brought about and does not pass by itself. */
  recover?(): void
  /** The operation by which contents are fetched that lists name. */
  contents?: string
  /** Arms a fault; `elsewhere` is the address of a host that nothing may be sent to. */
  arm(fault: FaultId, elsewhere: string): Cannot | undefined
  /** The vendor's clock relative to `clock`, milliseconds. */
  skew(offsetMs: number): void
  /** The clock moves on by so much with every request, milliseconds. */
  tick(ms: number): void
}

export interface BenchOptions {
  /** Events on one page at most. Default few, so that a handful of them makes several pages. */
  pageEvents?: number
  /** Default 0: a free one. */
  port?: number
}

/** Events of a page where nothing else is said. */
export const FEW = 3

export interface VendorBench {
  /** The connector kind that reads it. */
  kind: string
  /** Of a kind that reads several APIs: which one this is, where it is not the usual one. */
  variant?: string
  start(clock: VirtualClock, options?: BenchOptions): Promise<Bench>
}

export const isCannot = (value: unknown): value is Cannot =>
  typeof value === 'object' && value !== null && 'cannot' in value

/** Faults to arm, or what arms them by itself. */
type Arming = Fault | readonly Fault[] | Cannot | ((elsewhere: string) => Fault | Cannot | undefined)

/** Faults that look alike at every vendor that speaks HTTP with tokens; `own` says what this one does otherwise. */
export function arming(
  faults: Faults,
  data: readonly string[],
  tokens: TokenOffice | undefined,
  own: Partial<Record<FaultId, Arming>> & Record<'cursor_rejected' | 'foreign_link', Arming>,
): Bench['arm'] {
  const match: Fault['match'] = ({ operation }) => data.includes(operation)
  const alike: Record<Exclude<FaultId, 'cursor_rejected' | 'foreign_link' | 'redirect'>, Arming> = {
    retry_after: { match, skip: 1, ...throttled(7) },
    throttled: [
      { match, skip: 1, status: 429, body: 'slow down' },
      { match, status: 503 },
    ],
    token_refused: takenBack(data, tokens),
    server_error: { match, skip: 1, times: 2, status: 500 },
    outage: { match, skip: 2, times: 6, status: 503 },
    cut: { match, skip: 1, cutAfterBytes: 40 },
    garbage: [
      { match, skip: 1, status: 200, body: '<html>Sign in to the network</html>' },
      { match, status: 200, body: '' },
      { match, status: 502, body: '<html></html>' },
    ],
    // The answer that was lost on its way: the reader asks again for what the vendor has handed out.
    page_twice: { match, skip: 1, handled: true, reset: true },
    forbidden: { match, times: Number.POSITIVE_INFINITY, status: 403, body: '{}' },
    credential_refused: {
      match: 'token',
      times: Number.POSITIVE_INFINITY,
      status: 400,
      body: '{"error":"invalid_grant"}',
    },
  }
  return (fault, elsewhere) => {
    const chosen =
      own[fault] ?? (fault === 'redirect' ? redirected(match, elsewhere) : alike[fault as keyof typeof alike])
    const arms = typeof chosen === 'function' ? chosen(elsewhere) : chosen
    if (isCannot(arms)) return arms
    for (const each of [arms ?? []].flat() as Fault[]) faults.next(each)
    return undefined
  }
}

/** Tokens are taken back before the second request for data; what refuses it is the vendor itself. */
function takenBack(data: readonly string[], tokens: TokenOffice | undefined): Fault {
  let met = 0
  return {
    match({ operation }) {
      if (!data.includes(operation)) return false
      met += 1
      if (met === 2) tokens?.revokeAll()
      return met === 2
    },
  }
}

const redirected = (match: Fault['match'], elsewhere: string): Fault => ({
  ...(match ? { match } : {}),
  skip: 1,
  times: Number.POSITIVE_INFINITY,
  status: 302,
  headers: { location: elsewhere },
})
