import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'
import type { Payload, PayloadCodec } from '@temporalio/common'
import type { KeyRing } from '../db/keyring.ts'
import { AppError } from '../domain/errors.ts'

const ENCODING = 'binary/openirm-aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * Encrypts workflow payloads before they reach Temporal. Every payload carries the id of its key, so histories stay
 * readable after a rotation as long as the ring holds the older key. Keys are derived from the ring: a payload key
 * opens no sealed value.
 */
export class EncryptingCodec implements PayloadCodec {
  readonly #keys: ReadonlyMap<string, KeyObject>
  readonly #current: string

  constructor(ring: KeyRing) {
    this.#current = ring.current
    this.#keys = new Map(
      Object.entries(ring.keys).map(([id, key]) => {
        const derived = hkdfSync('sha256', Buffer.from(key, 'base64'), Buffer.alloc(0), 'openirm temporal payload', 32)
        return [id, createSecretKey(Buffer.from(derived))]
      }),
    )
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', this.#key(this.#current), nonce)
      const plain = Buffer.from(serialise(payload))
      return {
        metadata: { encoding: Buffer.from(ENCODING), 'openirm-key': Buffer.from(this.#current) },
        data: Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]),
      }
    })
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const { metadata, data } = payload
      if (!metadata?.['encoding'] || Buffer.from(metadata['encoding']).toString() !== ENCODING) return payload
      const sealed = Buffer.from(data ?? [])
      const key = this.#key(Buffer.from(metadata['openirm-key'] ?? []).toString())
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES))
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
      const plain = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
      return parse(plain.toString())
    })
  }

  #key(id: string): KeyObject {
    const key = this.#keys.get(id)
    if (!key) throw new AppError('key_missing', `the key ring has no key ${id}`, { fix: 'Restore the key ring.' })
    return key
  }
}

/** A payload with its metadata as JSON with base64 members. */
function serialise({ metadata, data }: Payload): string {
  const encoded = Object.entries(metadata ?? {}).map(([name, value]) => [
    name,
    Buffer.from(value ?? []).toString('base64'),
  ])
  return JSON.stringify({ metadata: Object.fromEntries(encoded), data: Buffer.from(data ?? []).toString('base64') })
}

function parse(text: string): Payload {
  const { metadata, data } = JSON.parse(text) as { metadata: Record<string, string>; data: string }
  const decoded = Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')])
  return { metadata: Object.fromEntries(decoded), data: Buffer.from(data, 'base64') }
}
