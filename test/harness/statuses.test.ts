import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { declaredStatuses, unseenStatuses } from './statuses.ts'

test('what nobody saw is named, whichever process saw the others', () => {
  const declared = declaredStatuses()
  expect(declared).toContain('getReadiness 503')
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-statuses-'))
  try {
    const [first, second, ...others] = declared as [string, string, ...string[]]
    writeFileSync(path.join(folder, '1'), `${first}\n${first}\ngetHealth 418\n`)
    writeFileSync(path.join(folder, '2'), `${others.join('\n')}\n`)
    expect(unseenStatuses(folder)).toEqual([second])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
