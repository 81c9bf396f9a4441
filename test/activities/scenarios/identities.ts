import { resolveIdentities } from '../../../db/people.ts'
import { queueRecount } from '../../../db/recounts.ts'
import { canonicalJson } from '../../../domain/canonical.ts'
import type { ScenariosOf } from '../scenario.ts'
import type { Stage } from '../stage.ts'

/** Rules by which the leaver has another address, and the colleague none any more. */
async function otherRules(stage: Stage, rules: object): Promise<void> {
  const { db, vault } = stage.w.t
  await resolveIdentities(
    db,
    vault,
    ['leaver+news@example.com', 'colleague1@alias.example'].map((value) => ({ scheme: 'address', value })),
    new Map(),
  )
  const version = (await db.selectFrom('identity_rules').select('version').execute()).length + 1
  await db
    .insertInto('identity_rules')
    .values({ version, definition: canonicalJson(rules) })
    .execute()
}

export const identities: ScenariosOf<'matchIdentities' | 'recountDays'> = {
  matchIdentities: {
    'by new rules': {
      async arrange(stage) {
        await otherRules(stage, { plusAddresses: ['example.com'] })
        return undefined as never
      },
      answersOtherwise: 'it says how many accounts it compared, and those are compared',
    },
    'by rules that no longer join': {
      async arrange(stage) {
        await otherRules(stage, { plusAddresses: ['example.com'] })
        await stage.run('matchIdentities', undefined as never)
        await otherRules(stage, {})
        return undefined as never
      },
    },
  },
  recountDays: {
    'of a leaver': {
      async arrange(stage) {
        const { db } = stage.w.t
        const leaver = await db.selectFrom('fact').select('identity_id').executeTakeFirstOrThrow()
        const days = await db.selectFrom('indicator_day').select('day').distinct().execute()
        await db.transaction().execute((tx) => queueRecount(tx, [leaver.identity_id]))
        await db
          .insertInto('recount')
          .values(days.map(({ day }) => ({ identity_id: leaver.identity_id, day })))
          .onConflict((conflict) => conflict.doNothing())
          .execute()
        await db.deleteFrom('indicator_day').execute()
        return undefined as never
      },
      answersOtherwise: 'it says how many pieces it counted, and none are left',
    },
  },
}
