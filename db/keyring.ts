import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { AppError } from '../domain/errors.ts'

const key = z.base64().refine((text) => Buffer.from(text, 'base64').length === 32, 'a key is 32 bytes in base64')
const shape = z.strictObject({
  version: z.literal(1),
  /** Keys the look-up hashes; it does not rotate, since every stored hash depends on it. */
  lookup: key,
  /** Id of the key that seals from now on. */
  current: z.string(),
  keys: z.record(z.string().regex(/^[a-z0-9-]{1,32}$/), key),
})

/** Keys of the sealed table, the look-up hashes and the payload codec. */
export type KeyRing = z.output<typeof shape>

const newKey = (): string => randomBytes(32).toString('base64')

export const createKeyRing = (): KeyRing => ({ version: 1, lookup: newKey(), current: 'k1', keys: { k1: newKey() } })

function parse(text: string, where: string): KeyRing {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // The parser's own error would quote the text, and the text is a key.
    throw new AppError('key_missing', `the key ring in ${where} is not JSON`, {
      fix: 'Restore the key ring from your backup; without it sealed values cannot be opened.',
    })
  }
  const parsed = shape.safeParse(json)
  if (!parsed.success || !(parsed.data.current in parsed.data.keys)) {
    throw new AppError('key_missing', `the key ring in ${where} is not complete`, {
      fix: 'Restore the key ring from your backup; without it sealed values cannot be opened.',
    })
  }
  return parsed.data
}

/** Reads a key ring file; refuses one that others may read. */
export function readKeyRing(file: string): KeyRing {
  if (!existsSync(file)) {
    throw new AppError('key_missing', `there is no key ring at ${file}`, {
      fix: 'Run `openirm keys create`, or set OPENIRM_KEYRING or OPENIRM_KEYRING_FILE.',
    })
  }
  if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) {
    throw new AppError('key_missing', `the key ring ${file} can be read by others`, { fix: `Run: chmod 600 ${file}` })
  }
  return parse(readFileSync(file, 'utf8'), file)
}

/** Writes through a rename, so that a crash leaves either the old ring or the new one. */
export function writeKeyRing(file: string, ring: KeyRing): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  const next = `${file}.${process.pid}.next`
  writeFileSync(next, `${JSON.stringify(ring, null, 2)}\n`, { mode: 0o600 })
  chmodSync(next, 0o600)
  renameSync(next, file)
}

/** The ring of this installation: OPENIRM_KEYRING (JSON), else the file named by OPENIRM_KEYRING_FILE, else `file`. */
export function loadKeyRing(file: string, env: NodeJS.ProcessEnv = process.env): KeyRing {
  if (env['OPENIRM_KEYRING']) return parse(env['OPENIRM_KEYRING'], 'OPENIRM_KEYRING')
  return readKeyRing(env['OPENIRM_KEYRING_FILE'] ?? file)
}

/** A ring with one more key, which seals from now on. Older keys stay to open what they sealed. */
export function withNewKey(ring: KeyRing): KeyRing {
  let number = Object.keys(ring.keys).length + 1
  while (`k${number}` in ring.keys) number += 1
  return { ...ring, current: `k${number}`, keys: { ...ring.keys, [`k${number}`]: newKey() } }
}
