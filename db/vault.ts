import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { AppError } from '../domain/errors.ts'
import { byteas } from './binary.ts'
import type { Connection } from './connection.ts'
import { KeyedHash } from './keyed-hash.ts'
import type { KeyRing } from './keyring.ts'
import { KEY_BYTES, SourceKeys } from './source-keys.ts'
import { TextKeys } from './text-keys.ts'

export type SealedPurpose = 'identity' | 'personal' | 'texts' | 'secret' | 'file_name'

const TAG_BYTES = 16
const NONCE_BYTES = 12
/** Drawn at once: asking for twelve bytes takes longer than sealing a short value. */
const NONCES_AT_ONCE = 256

export interface Sealed {
  key_id: string
  nonce: Buffer
  ciphertext: Buffer
}

/** Seals and opens personal data, and makes the keyed hashes by which it is looked up. */
export class Vault {
  readonly currentKeyId: string
  readonly #keys: ReadonlyMap<string, KeyObject>
  readonly #lookup: KeyedHash
  #nonces = Buffer.alloc(0)

  constructor(ring: KeyRing) {
    this.currentKeyId = ring.current
    this.#keys = new Map(Object.entries(ring.keys).map(([id, text]) => [id, createSecretKey(text, 'base64')]))
    this.#lookup = new KeyedHash(Buffer.from(ring.lookup, 'base64'))
  }

  /** `context` is authenticated with the ciphertext: a value moved to another row does not open. */
  seal(context: string, plaintext: Uint8Array): Sealed {
    const nonce = this.#nonce()
    const cipher = createCipheriv('aes-256-gcm', this.#key(this.currentKeyId), nonce)
    cipher.setAAD(Buffer.from(context))
    const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
    return { key_id: this.currentKeyId, nonce, ciphertext }
  }

  /** Throws sealed_value_damaged when anything of the value, its context or its key has changed. */
  open(context: string, { key_id, nonce, ciphertext }: Sealed): Buffer {
    const decipher = createDecipheriv('aes-256-gcm', this.#key(key_id), nonce)
    decipher.setAAD(Buffer.from(context))
    decipher.setAuthTag(ciphertext.subarray(-TAG_BYTES))
    try {
      const plaintext = decipher.update(ciphertext.subarray(0, -TAG_BYTES))
      // Nothing is left for the end but the look whether all of it is what was sealed.
      decipher.final()
      return plaintext
    } catch (cause) {
      throw new AppError('sealed_value_damaged', `the sealed value ${context} does not open with key ${key_id}`, {
        cause,
        fix: 'Restore the row and the key ring from the same backup.',
      })
    }
  }

  /** HMAC-SHA-256 under the look-up key; `kind` keeps hashes of different things apart. */
  lookupKey(kind: string, value: string): Buffer {
    return this.#lookup.digest(`${kind}\u001f${value}`)
  }

  /** `lookupKey` as lower-case hex, for those that are made by the million. */
  lookupHex(kind: string, value: string): string {
    return this.#lookup.hex(`${kind}\u001f${value}`)
  }

  /** Shorter keys of texts, each kind under a key of its own, for those that are made by the million in an import. */
  textKeys(kind: string, keyBytes: 8 | 16): TextKeys {
    return new TextKeys(this.lookupKey('text', kind), keyBytes)
  }

  /** Of a connector's records. */
  sourceKeys(connectorId: string): SourceKeys {
    const kind = `source/${connectorId}`
    return new SourceKeys(this.textKeys(kind, KEY_BYTES), this.lookupKey('block', kind))
  }

  /** Random bytes, each given once. */
  #nonce(): Buffer {
    if (this.#nonces.length === 0) this.#nonces = randomBytes(NONCES_AT_ONCE * NONCE_BYTES)
    const nonce = Buffer.from(this.#nonces.subarray(0, NONCE_BYTES))
    this.#nonces = this.#nonces.subarray(NONCE_BYTES)
    return nonce
  }

  #key(id: string): KeyObject {
    const found = this.#keys.get(id)
    if (!found) {
      throw new AppError('key_missing', `the key ring has no key ${id}`, {
        fix: 'Restore the key ring that sealed the value.',
      })
    }
    return found
  }
}

const contextOf = (purpose: SealedPurpose, id: string): string => `${purpose}/${id}`

/** Seals a value into the one encrypted table and returns its id. */
export async function insertSealed(
  tx: Connection,
  vault: Vault,
  purpose: SealedPurpose,
  plaintext: Uint8Array | string,
  id = uuid(),
): Promise<string> {
  const row = sealedRow(vault, purpose, plaintext, id)
  await tx.insertInto('sealed_value').values(row).execute()
  return row.id
}

/** The row that `insertSealed` would insert, for inserts of many at once. */
export function sealedRow(vault: Vault, purpose: SealedPurpose, plaintext: Uint8Array | string, id = uuid()) {
  const bytes = typeof plaintext === 'string' ? Buffer.from(plaintext) : plaintext
  return { id, purpose, ...vault.seal(contextOf(purpose, id), bytes) }
}

/** Inserts what `sealedRow` made, all in one statement. */
export async function insertSealedRows(tx: Connection, rows: readonly ReturnType<typeof sealedRow>[]): Promise<void> {
  if (rows.length === 0) return
  await sql`
    insert into sealed_value (id, purpose, key_id, nonce, ciphertext)
    select * from unnest(${rows.map((row) => row.id)}::uuid[], ${rows.map((row) => row.purpose)}::text[],
                         ${rows.map((row) => row.key_id)}::text[],
                         ${byteas(rows.length, (n) => rows[n]?.nonce as Buffer)}::bytea[],
                         ${byteas(rows.length, (n) => rows[n]?.ciphertext as Buffer)}::bytea[])`.execute(tx)
}

/** Opens sealed values by id; ids that do not exist are absent from the answer. */
export async function openSealed(db: Connection, vault: Vault, ids: readonly string[]): Promise<Map<string, Buffer>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('sealed_value')
    .selectAll()
    .where('id', 'in', [...new Set(ids)])
    .execute()
  return new Map(rows.map((row) => [row.id, vault.open(contextOf(row.purpose as SealedPurpose, row.id), row)]))
}

export interface ResealResult {
  resealed: number
}

/** Re-seals everything under the current key, in small transactions; safe to interrupt and repeat. */
export async function resealAll(db: Connection, vault: Vault, batch = 500): Promise<ResealResult> {
  let resealed = 0
  for (;;) {
    const done = await db.transaction().execute(async (tx) => {
      const rows = await tx
        .selectFrom('sealed_value')
        .selectAll()
        .where('key_id', '<>', vault.currentKeyId)
        .limit(batch)
        .forUpdate()
        .execute()
      for (const row of rows) {
        const context = contextOf(row.purpose as SealedPurpose, row.id)
        await tx
          .updateTable('sealed_value')
          .set(vault.seal(context, vault.open(context, row)))
          .where('id', '=', row.id)
          .execute()
      }
      return rows.length
    })
    resealed += done
    if (done < batch) return { resealed }
  }
}
