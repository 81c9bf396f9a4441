import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { verifyAudit, verifyExports, verifyImports, verifyReceipts } from '../../db/verify.ts'
import { hashOf, Random } from '../../sandbox/organisation/random.ts'
import { importedOf, importLeavers, importRowOf, leftByOf } from '../crash/importing.ts'
import { type Installation, install, VICTIMS } from '../crash/installation.ts'
import { LARGE, type Source, sourceOf } from '../crash/source.ts'
import { insertPolicy } from '../harness/rows.ts'
import { eventually } from '../harness/world.ts'

/**
 * Kills the worker, the API or PostgreSQL at random moments of an import, each import of the same data under other names,
 * until so many kills have hit one that was under way; then its balance, its rollups and the alert must be those of an
 * import that nobody disturbed.
 */
const KILLS = Number(process.env['OPENIRM_ENDURANCE_KILLS'] ?? 20)
const SEED = Number(process.env['OPENIRM_ENDURANCE_SEED'] ?? 1)

let it: Installation | undefined
const sources: Source[] = []
afterAll(async () => {
  await it?.[Symbol.asyncDispose]()
  for (const source of sources) await source[Symbol.asyncDispose]()
})

test(`${KILLS} kills of an import leave what none does`, async () => {
  it = await install(LARGE)
  const at = it
  const random = new Random(SEED, hashOf('import'))
  const operator = await at.as('operator')
  await insertPolicy(at.t, 'data-theft-departing-users', 'Leavers')
  const names = ['nobody', ...Array.from({ length: KILLS * 2 }, (_, index) => `victim${index}`)]
  await importedOf(at, await importLeavers(at, operator, names))

  const begin = async (who: string): Promise<string> => {
    const source = await sourceOf(who, at, LARGE)
    sources.push(source)
    const asked = await operator.post(`/connectors/${source.connectorId}/imports`)
    expect(asked.status).toBe(202)
    return asked.body.id
  }
  const startedAt = Date.now()
  const undisturbed = await begin('nobody')
  await importedOf(at, undisturbed)
  const usualMs = Date.now() - startedAt
  const expected = await leftByOf(at, undisturbed)
  expect(expected.balance.state).toBe('completed')

  let hits = 0
  let done = 1
  for (const who of names.slice(1)) {
    if (hits === KILLS) break
    const importId = await begin(who)
    const victim = random.pick(VICTIMS)
    const afterMs = random.whole(0, usualMs)
    await sleep(afterMs)
    const { state, chunks } = await importRowOf(at, importId)
    if (state === 'running') hits += 1
    await at.kill(victim)
    await at.startAgain(victim)
    await importedOf(at, importId)
    const left = await leftByOf(at, importId)
    console.log(`${victim} killed after ${afterMs} ms (${state}, ${chunks} chunks): ${JSON.stringify(left.balance)}`)
    expect(left).toEqual(expected)
    done += 1
  }
  expect(hits).toBe(KILLS)

  const alerts = () => at.t.db.selectFrom('alert').select(['score', 'severity']).execute()
  const raised = await eventually(alerts, { timeoutMs: 120_000, until: (rows) => rows.length >= done })
  expect(raised).toHaveLength(done)
  expect(new Set(raised.map(({ score, severity }) => `${score} ${severity}`)).size).toBe(1)
  for (const verify of [verifyReceipts, verifyAudit, verifyExports, verifyImports]) {
    expect([verify.name, (await verify(at.t.db)).untruth]).toEqual([verify.name, null])
  }
})
