import { expect, test } from 'vitest'
import { testDatabase } from '../test/harness/database.ts'
import { withNewKey } from './keyring.ts'
import { insertSealed, openSealed, resealAll, Vault } from './vault.ts'

test('a sealed value opens, does not hold its text, and moves to a new key by re-sealing', async () => {
  await using t = await testDatabase()
  const id = await insertSealed(t.db, t.vault, 'identity', 'runa.iyer@example.com')
  const stored = await t.db.selectFrom('sealed_value').selectAll().executeTakeFirstOrThrow()
  expect(stored.ciphertext.includes('runa')).toBe(false)
  expect((await openSealed(t.db, t.vault, [id])).get(id)?.toString()).toBe('runa.iyer@example.com')

  const rotated = new Vault(withNewKey(t.ring))
  expect(await resealAll(t.db, rotated)).toEqual({ resealed: 1 })
  expect(await resealAll(t.db, rotated)).toEqual({ resealed: 0 })
  expect((await openSealed(t.db, rotated, [id])).get(id)?.toString()).toBe('runa.iyer@example.com')
  await expect(openSealed(t.db, t.vault, [id])).rejects.toMatchObject({ code: 'key_missing' })
})

test('a value moved to another row does not open', async () => {
  await using t = await testDatabase()
  const one = await insertSealed(t.db, t.vault, 'identity', 'one')
  const two = await insertSealed(t.db, t.vault, 'identity', 'two')
  const row = await t.db.selectFrom('sealed_value').selectAll().where('id', '=', one).executeTakeFirstOrThrow()
  await t.db
    .updateTable('sealed_value')
    .set({ nonce: row.nonce, ciphertext: row.ciphertext })
    .where('id', '=', two)
    .execute()
  await expect(openSealed(t.db, t.vault, [two])).rejects.toMatchObject({ code: 'sealed_value_damaged' })
})
