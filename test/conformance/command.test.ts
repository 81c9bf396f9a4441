import { expect, test } from 'vitest'
import { benchesOf, pullKinds } from '../../cli/conformance/conformance.ts'
import { runSandbox } from '../../cli/sandbox/sandbox.ts'
import { openAccess } from '../../connectors/access.ts'
import { NO_HISTORY } from '../../connectors/connector.ts'
import { connectorKind } from '../../connectors/kinds.ts'
import { parseSettings } from '../../domain/form.ts'
import type { VendorBench } from '../../sandbox/benches/bench.ts'
import * as benches from '../../sandbox/benches/registry.ts'
import { openirm } from '../harness/openirm.ts'

test('every pull connector has a bench, and every bench a connector', () => {
  expect(
    Object.values<VendorBench>(benches)
      .filter(({ variant }) => variant === undefined)
      .map(({ kind }) => kind)
      .sort(),
  ).toEqual(
    pullKinds()
      .map(({ id }) => id)
      .sort(),
  )
  expect(benchesOf('hr')).toEqual([])
})

test('the command prints a table of every pull kind and ends with 0', { timeout: 120_000 }, async () => {
  const { code, out } = await openirm(['conformance', '--all', '--only', 'unknown_type,foreign_link'])
  expect(out).toMatch(/dropbox: conforms \(1 passed, 0 failed, 1 cannot happen\)\n {2}ok {5}unknown event type/)
  expect([...out.matchAll(/^(\S+): conforms/gm)].map(([, kind]) => kind)).toEqual(pullKinds().map(({ id }) => id))
  expect(code).toBe(0)
})

test.each([
  [['conformance'], 2, /Name a connector kind/],
  [['conformance', 'hr'], 1, /amazon-s3, box, dropbox/],
  [['conformance', 'dropbox', '--only', 'nothing'], 1, /there is no scenario nothing/],
])('what makes no sense is said: %j', { timeout: 60_000 }, async (args, code, says) => {
  const ran = await openirm(args)
  expect([ran.code, ran.err]).toEqual([code, expect.stringMatching(says)])
})

test('the sandbox shows settings that the connectors take, and their checks are met', { timeout: 60_000 }, async () => {
  const said: string[] = []
  let stop = () => {}
  const until = new Promise<void>((resolve) => {
    stop = resolve
  })
  const running = runSandbox({ firstPort: 0, say: (text) => void said.push(text), until })
  const shown = await new Promise<string[]>((resolve) => {
    const timer = setInterval(() => {
      if (said.some((text) => text.includes('Ctrl-C'))) {
        clearInterval(timer)
        resolve(said)
      }
    }, 20)
  })
  try {
    for (const kind of pullKinds().map(({ id }) => id)) {
      const text = shown.find((each) => each.startsWith(`${kind}:`)) as string
      const definition = connectorKind(kind)
      const config = parseSettings(definition.config, JSON.parse(text.slice(text.indexOf('{'))))
      for (const check of definition.prerequisites.filter(({ when }) => when === 'before')) {
        const found = await check.check({
          config,
          now: new Date(),
          history: NO_HISTORY,
          signal: AbortSignal.timeout(20_000),
          access: openAccess(),
        })
        expect(found, `${kind} ${check.id}`).toMatchObject({ state: 'met' })
      }
    }
  } finally {
    stop()
    await running
  }
})
