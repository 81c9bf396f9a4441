import type { Connection } from '../connection.ts'

/** Counts for operators: no ids of people, no names. */
export async function figures(db: Connection) {
  const count = <T extends 'connector' | 'import' | 'alert' | 'approval' | 'case_file' | 'destination'>(table: T) =>
    db
      .selectFrom(table as 'connector')
      .select(['state', (eb) => eb.fn.countAll<number>().as('n')])
      .groupBy('state')
      .execute()
  const rows = await db
    .selectFrom('import')
    .select((eb) => [
      eb.fn.coalesce(eb.fn.sum<number>('received'), eb.lit(0)).as('received'),
      eb.fn.coalesce(eb.fn.sum<number>('stored'), eb.lit(0)).as('stored'),
      eb.fn.coalesce(eb.fn.sum<number>('duplicate'), eb.lit(0)).as('duplicate'),
      eb.fn.coalesce(eb.fn.sum<number>('quarantined'), eb.lit(0)).as('quarantined'),
      eb.fn.coalesce(eb.fn.sum<number>('ignored'), eb.lit(0)).as('ignored'),
    ])
    .executeTakeFirstOrThrow()
  const queued = await db
    .selectFrom('destination')
    .select(['id', 'state', (eb) => eb('last_number', '-', eb.ref('accepted_number')).as('queued')])
    .where('state', '<>', 'retired')
    .execute()
  const waiting = await db
    .selectFrom('waiting_evaluation')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  return {
    states: {
      connectors: await count('connector'),
      imports: await count('import'),
      alerts: await count('alert'),
      approvals: await count('approval'),
      cases: await count('case_file'),
      destinations: await count('destination'),
    },
    rows,
    queued,
    waitingEvaluations: waiting.n,
  }
}
