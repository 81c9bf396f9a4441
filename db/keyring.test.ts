import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createKeyRing, loadKeyRing, readKeyRing, withNewKey, writeKeyRing } from './keyring.ts'
import { Vault } from './vault.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-keys-'))
  file = path.join(folder, 'keys.json')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('a key ring file', () => {
  test('is written for its owner alone and read back', () => {
    const ring = createKeyRing()
    writeKeyRing(file, ring)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readKeyRing(file)).toEqual(ring)
    expect(loadKeyRing(file, {})).toEqual(ring)
  })

  test.each([0o644, 0o640, 0o604, 0o660])('of mode %o is refused with the command that mends it', (mode) => {
    writeKeyRing(file, createKeyRing())
    chmodSync(file, mode)
    expect(() => readKeyRing(file)).toThrow(
      expect.objectContaining({ code: 'key_missing', fix: expect.stringContaining(`chmod 600 ${file}`) }),
    )
    chmodSync(file, 0o600)
    expect(readKeyRing(file).current).toBe('k1')
  })

  test('that is damaged says so without a word of what it holds', () => {
    const { lookup } = createKeyRing()
    for (const text of [`{"lookup":"${lookup}"`, JSON.stringify({ version: 1, lookup, current: 'k1', keys: {} })]) {
      writeFileSync(file, text, { mode: 0o600 })
      try {
        readKeyRing(file)
        expect.unreachable()
      } catch (error) {
        expect(error).toMatchObject({ code: 'key_missing', fix: expect.any(String) })
        expect(`${error}${JSON.stringify(error)}`).not.toContain(lookup)
      }
    }
  })

  test('that is missing names the command that makes one', () => {
    expect(() => readKeyRing(file)).toThrow(expect.objectContaining({ fix: expect.stringContaining('keys create') }))
  })
})

test('a look-up is by a keyed hash that a rotation keeps and another ring does not know', () => {
  const ring = createKeyRing()
  const [before, after, other] = [new Vault(ring), new Vault(withNewKey(ring)), new Vault(createKeyRing())]
  const hash = before.lookupKey('identity/address', 'kim@example.com')
  expect(hash).toHaveLength(32)
  expect(after.lookupKey('identity/address', 'kim@example.com')).toEqual(hash)
  expect(before.lookupKey('name-token', 'kim@example.com')).not.toEqual(hash)
  expect(other.lookupKey('identity/address', 'kim@example.com')).not.toEqual(hash)
  expect(after.currentKeyId).toBe('k2')
})
