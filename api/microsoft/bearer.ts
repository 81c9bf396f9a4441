import { timingSafeEqual } from 'node:crypto'
import type { Vault } from '../../db/vault.ts'

/** As long as Microsoft's are good for; the scripts ask for a new one per attempt. */
export const TOKEN_SECONDS = 3_599

const BEARER = /^Bearer\s+([A-Za-z0-9_-]{1,200})\.([A-Za-z0-9_-]{43})\s*$/i

/** A token for the holder of a secret: which one and until when, under a keyed hash. Nothing is stored for it. */
export function issueToken(vault: Vault, secretId: string, now: number): string {
  const claims = Buffer.from(JSON.stringify({ s: secretId, e: Math.floor(now / 1000) + TOKEN_SECONDS }))
  const text = claims.toString('base64url')
  return `${text}.${signature(vault, text).toString('base64url')}`
}

/** The secret behind an Authorization header; null when the token is missing, not ours, or has expired. */
export function readToken(vault: Vault, header: string | undefined, now: number): string | null {
  const [, text, signed] = BEARER.exec(header ?? '') ?? []
  if (text === undefined || signed === undefined) return null
  if (!timingSafeEqual(Buffer.from(signed, 'base64url'), signature(vault, text))) return null
  const { s, e } = JSON.parse(Buffer.from(text, 'base64url').toString()) as { s: string; e: number }
  return e * 1000 > now ? s : null
}

const signature = (vault: Vault, text: string): Buffer => vault.lookupKey('microsoft-token', text)
