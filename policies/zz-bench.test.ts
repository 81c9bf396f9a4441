import { sql } from 'kysely'
import { test } from 'vitest'
import { recomputeRollups, recomputeSeen } from '/work/main/policies/compile.ts'
import { evaluatePeople } from '/work/main/policies/evaluate.ts'
import {
  definitionFrom,
  loadIndicators,
  loadTemplates,
  pinnedIndicators,
  syncIndicators,
} from '/work/main/policies/load.ts'
import { testDatabase } from '/work/main/test/harness/database.ts'

test('bench', async () => {
  await using t = await testDatabase()
  const ind = loadIndicators()
  await syncIndicators(t.db, ind.values())
  const def = definitionFrom([...loadTemplates().values()][0]!, ind)
  const pinned = await pinnedIndicators(t.db, def)
  await sql`set session_replication_role = replica`.execute(t.db)
  await t.db.transaction().execute(async (tx) => {
    await sql`set local session_replication_role = replica`.execute(tx)
    for (const m of ['2026-01-01', '2026-02-01', '2026-03-01', '2026-04-01'])
      await sql`select ensure_month(${m}::date)`.execute(tx)
    await sql`insert into person (uid, pseudonym) select gen_random_uuid(), 'p'||n from generate_series(1,20000) n`.execute(
      tx,
    )
    await sql`insert into identity (person_id, scheme, lookup_key, sealed_id) select id, 'address', sha256(id::text::bytea), gen_random_uuid() from person`.execute(
      tx,
    )
    await sql`insert into activity (identity_id, at, source_key, connector_id, import_id, verb, native_event, outcome, actor_kind, container_id, object_key, size_bytes, origin_network, origin_country)
      select 1 + (random()*19999)::int, '2026-01-05'::timestamptz + random()*interval '100 days', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'download','GetObject','success','user', (random()*20)::int, (random()*1e9)::bigint, 1000000, '10.0.0.0/16', 'DE' from generate_series(1,500000)`.execute(
      tx,
    )
  })
  await sql`analyze`.execute(t.db)
  const all = [...pinned.values()]
  for (const [name, q] of [
    ['chunk', sql`at > (select max(at) - interval '5 days' from activity)`],
    ['chunk', sql`at > (select max(at) - interval '5 days' from activity)`],
  ] as const)
    await t.db.transaction().execute(async (tx) => {
      await sql`create temp table tt on commit drop as select distinct identity_id, (at at time zone 'UTC')::date as day from activity where ${q}`.execute(
        tx,
      )
      const n = await sql<{ n: number }>`select count(*) n from tt`.execute(tx)
      let s = performance.now()
      await recomputeSeen(tx, 'pg_temp.tt')
      const a = performance.now() - s
      s = performance.now()
      await recomputeRollups(tx, all, 'pg_temp.tt')
      console.log(name, n.rows[0], 'seen', Math.round(a), 'rollups', Math.round(performance.now() - s))
    })
  await sql`set session_replication_role = replica; insert into fact (id, identity_id, kind, natural_key, content_key, effective_at, import_id, line) select gen_random_uuid(), id, 'resignation', 'k', gen_random_uuid(), '2026-04-10', gen_random_uuid(), 1 from identity where id <= 20000`
    .execute(t.db)
    .catch(async (e) => {
      console.log(e.message)
    })
  await t.db.transaction().execute(async (tx) => {
    await sql`set local session_replication_role = replica`.execute(tx)
    await sql`insert into fact (id, identity_id, kind, natural_key, content_key, effective_at, import_id, line) select gen_random_uuid(), id, 'resignation', 'k', gen_random_uuid(), '2026-04-10', gen_random_uuid(), 1 from identity on conflict do nothing`.execute(
      tx,
    )
  })
  await sql`analyze`.execute(t.db)
  for (const n of [1000, 5000]) {
    const s = performance.now()
    const r = await evaluatePeople(t.db, {
      definition: def,
      indicators: pinned,
      personIds: Array.from({ length: n }, (_, i) => i + 1),
      asOf: new Date('2026-04-14'),
    })
    console.log(
      'evaluate',
      n,
      r.length,
      r.reduce((x, y) => x + y.insights.length, 0),
      Math.round(performance.now() - s),
    )
  }
}, 300000)
