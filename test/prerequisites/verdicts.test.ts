import { describe, expect, test } from 'vitest'
import { prerequisiteFor } from '../../connectors/connector.ts'
import { connectorKinds } from '../../connectors/kinds.ts'
import { formOf } from '../../domain/form.ts'
import type { VendorBench } from '../../sandbox/benches/bench.ts'
import * as benches from '../../sandbox/benches/registry.ts'
import { declaredOf, leftOver, type Read, scenesOf } from './scenes.ts'
import { standFor } from './stand.ts'

const reads = [...connectorKinds.values()].flatMap((kind): [string, Read][] => [
  [kind.id, { kind }],
  ...(kind.variants ?? []).map((variant): [string, Read] => [`${kind.id}, ${variant.name}`, { kind, variant }]),
])

/**
 * Every connector kind and every further API that it reads, every prerequisite, every verdict that it declares: each is
 * shown by its check against the source's stand-in. A new prerequisite, verdict or variant fails here until a scene shows it.
 */
describe.each(reads)('%s', (name, read) => {
  const { kind, variant } = read
  const declared = declaredOf(read).flatMap(({ prerequisite, verdicts }) =>
    verdicts.map((verdict) => [prerequisite.id, verdict, prerequisite] as const),
  )

  test.each(declared)('%s: %s', { timeout: 30_000 }, async (id, verdict, prerequisite) => {
    const scene = scenesOf(read)[id]?.[verdict]
    if (!scene) throw new Error(`nothing shows that ${id} of ${name} can be ${verdict}: add a scene`)
    await using stand = await standFor(kind, variant)
    await scene(stand)
    const found = await stand.check(prerequisite)
    expect(found).toMatchObject({
      state: verdict,
      code: expect.stringMatching(/^\w+$/),
      detail: expect.stringMatching(/\w/),
    })
    const secrets = formOf(kind.config).secrets.flatMap((name) => stand.settings[name] ?? [])
    for (const secret of secrets) expect(JSON.stringify(found)).not.toContain(secret)
  })

  test('has no scene of what it does not declare', () => expect(leftOver(read)).toEqual([]))
})

test('a further API that a stand-in answers for is declared by its kind, and the other way round', () => {
  const stoodIn = Object.values<VendorBench>(benches).filter(({ variant }) => variant !== undefined)
  const declared = reads.flatMap(([, { kind, variant }]) => (variant ? [`${kind.id} ${variant.name}`] : []))
  expect(declared.sort()).toEqual(stoodIn.map(({ kind, variant }) => `${kind} ${variant}`).sort())
})

test('a check that answers what it does not declare does not compile', () => {
  prerequisiteFor<unknown>()({
    ...{ id: 'any', title: 'Any', anchor: 'any', when: 'before' },
    verdicts: ['met'],
    // @ts-expect-error `unmet` is not among its verdicts
    check: async () => ({ state: 'unmet', code: 'no', detail: 'No.' }),
  })
  expect.assertions(0)
})
