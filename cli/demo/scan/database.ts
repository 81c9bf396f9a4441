import pg from 'pg'
import { to } from 'pg-copy-streams'
import type { Looking } from './looking.ts'

/**
 * Every row of every table as text: the data files hold large values compressed. Then asks the server to write what it
 * still holds in memory, so that the files can be looked at.
 */
export async function lookAtDatabase(databaseUrl: string, looking: Looking): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string }>(
      `select format('%I.%I', nspname, relname) as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace
       where relkind = 'r' and nspname <> 'information_schema' and nspname not like 'pg\\_%' order by 1`,
    )
    for (const { name } of rows) {
      const look = looking.at('database rows', `table ${name}`)
      for await (const piece of client.query(to(`copy ${name} to stdout`))) look(piece as Buffer)
    }
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
}
