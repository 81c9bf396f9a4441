import { generateKeyPairSync } from 'node:crypto'
import type { JSONWebKeySet } from 'jose'

export interface KeyPair {
  /** PKCS #8 in PEM: what the client signs with. */
  privateKey: string
  /** What a vendor was told of it. */
  registered: JSONWebKeySet
}

let made: KeyPair | undefined

/** The key pair of the apps at the stand-ins, one for all of a process: making one takes longer than most tests. */
export function keyPair(): KeyPair {
  if (made) return made
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  made = {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    registered: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256' }] } as JSONWebKeySet,
  }
  return made
}
