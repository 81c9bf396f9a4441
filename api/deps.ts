import type { PayloadCodec } from '@temporalio/common'
import type { Deps } from '../activities/deps.ts'
import type { Presence } from '../db/presence.ts'
import type { Authenticator } from './auth.ts'
import type { EdgeOptions } from './microsoft/edge.ts'

export interface ApiOptions {
  /** Who a request comes from; bearer tokens unless told otherwise. Sign-in by OpenID Connect fits in here. */
  authenticator?: Authenticator
  /** Checks answers against the contract as well; a mismatch is answered 500. For tests. */
  validateResponses?: boolean
  /** Requests per minute and token at most. */
  ratePerMinute?: number
  /** Refused tokens per minute and address at most. */
  refusedPerMinute?: number
  /** A request that is not a file's upload ends within this. */
  requestTimeoutMs?: number
  /** Decodes workflow payloads for operators in the Temporal UI. */
  codec?: CodecOptions
  /** The customer's own indicators. */
  indicatorFolder?: string
  /** By which keys of requests outlive this process no longer than it takes to notice. */
  presence?: Presence
  /** Limits of the addresses of Microsoft's upload scripts. */
  microsoft?: EdgeOptions
}

export interface CodecOptions {
  codec: PayloadCodec
  /** Secret part of the endpoint's path. */
  capability: string
  /** The Temporal UI's origin, the only one that may call it. */
  origin: string
}

/** What handlers reach the world by. */
export type ApiDeps = Deps & Pick<ApiOptions, 'indicatorFolder' | 'presence'>
