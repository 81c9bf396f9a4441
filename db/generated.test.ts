import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { testDatabase } from '../test/harness/database.ts'
import { generateTypes, TYPES_FILE } from './generate.ts'

test('the types are those of the migrated database', async () => {
  await using t = await testDatabase()
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-types-'))
  try {
    expect(generateTypes(t.url, path.join(folder, 'types.ts'))).toBe(readFileSync(TYPES_FILE, 'utf8'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
