import { describe, expect, test } from 'vitest'
import { prerequisiteFor } from '../../connectors/connector.ts'
import { prerequisitesOf } from '../../connectors/everywhere.ts'
import { connectorKinds } from '../../connectors/kinds.ts'
import { formOf } from '../../domain/form.ts'
import { leftOver, scenesOf } from './scenes.ts'
import { standFor } from './stand.ts'

/**
 * Every connector kind, every prerequisite that it has, every verdict that it declares: each is shown by its check against
 * the source's stand-in. A new prerequisite, or a new verdict of one, fails here until a scene shows it.
 */
describe.each([...connectorKinds])('%s', (_, kind) => {
  const declared = prerequisitesOf(kind).flatMap((prerequisite) =>
    prerequisite.verdicts.map((verdict) => [prerequisite.id, verdict, prerequisite] as const),
  )

  test.each(declared)('%s: %s', { timeout: 30_000 }, async (id, verdict, prerequisite) => {
    const scene = scenesOf(kind)[id]?.[verdict]
    if (!scene) throw new Error(`nothing shows that ${id} of ${kind.id} can be ${verdict}: add a scene`)
    await using stand = await standFor(kind)
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

  test('has no scene of what it does not declare', () => expect(leftOver(kind)).toEqual([]))
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
