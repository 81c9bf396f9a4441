import { mkdtempSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { defaultPayloadConverter } from '@temporalio/common'
import { expect, test } from 'vitest'
import { EncryptingCodec } from '../activities/payload-codec.ts'
import { readKeyRing, writeKeyRing } from '../db/keyring.ts'
import { insertSealed, openSealed, Vault } from '../db/vault.ts'
import { testDatabase } from './harness/database.ts'
import { openirm } from './harness/openirm.ts'

const ADDRESS = 'runa.iyer@example.com'

test('keys rotate seals everything anew under another key; payloads of before still open, and look-ups find as before', {
  timeout: 120_000,
}, async () => {
  await using t = await testDatabase()
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-keys-'))
  try {
    const file = path.join(folder, 'keys.json')
    writeKeyRing(file, t.ring)
    const ids = await Promise.all([ADDRESS, 'two'].map((text) => insertSealed(t.db, t.vault, 'identity', text)))
    const payload = defaultPayloadConverter.toPayload({ alertId: 'a' })
    const before = await new EncryptingCodec(t.ring).encode([payload])

    const env = { DATABASE_URL: t.url, OPENIRM_DATA_DIR: folder }
    const ran = await openirm(['keys', 'rotate'], { env })
    expect([ran.code, ran.err]).toEqual([0, ''])
    expect(ran.out).toBe('key k2 is current; 2 values were sealed anew. Restart workers that still run.\n')
    expect(statSync(file).mode & 0o777).toBe(0o600)

    const ring = readKeyRing(file)
    expect(ring).toMatchObject({ current: 'k2', lookup: t.ring.lookup, keys: t.ring.keys })
    expect(ring.keys['k2']).not.toBe(t.ring.keys['k1'])
    for (const key of [...Object.values(ring.keys), ring.lookup]) expect(ran.out).not.toContain(key)
    const rows = await t.db.selectFrom('sealed_value').select(['key_id']).execute()
    expect(rows).toEqual([{ key_id: 'k2' }, { key_id: 'k2' }])
    const rotated = new Vault(ring)
    const opened = await openSealed(t.db, rotated, ids)
    expect(ids.map((id) => opened.get(id)?.toString())).toEqual([ADDRESS, 'two'])
    expect(rotated.lookupKey('identity/address', ADDRESS)).toEqual(t.vault.lookupKey('identity/address', ADDRESS))

    const codec = new EncryptingCodec(ring)
    const decoded = (await codec.decode(before)).map((each) => defaultPayloadConverter.fromPayload(each))
    expect(decoded).toEqual([{ alertId: 'a' }])
    const [after] = await codec.encode([payload])
    expect(Buffer.from(after?.metadata?.['openirm-key'] ?? []).toString()).toBe('k2')
    // Whoever still holds the older ring cannot read what was sealed since.
    await expect(openSealed(t.db, t.vault, ids)).rejects.toMatchObject({ code: 'key_missing' })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
