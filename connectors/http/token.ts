import type { Json } from '../values.ts'

/** What a sign-in yields. Lives in memory only. */
export interface Token {
  value: string
  /** `Bearer` */
  type: string
  /** Milliseconds since the epoch from which on a new one is fetched; Infinity where its life is not announced. */
  renewAt: number
  /** The whole reply, for members that only one source has (`instance_url`). */
  reply: Json
}
