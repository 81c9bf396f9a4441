import { sql } from 'kysely'
import type { Database } from '../../db/connection.ts'

export interface Kill extends AsyncDisposable {
  met(): Promise<boolean>
}

/**
 * The next chunk is lost when its rows are written and its cursor is not: the session ends as if the worker had died. A
 * sequence tells the first time from the next; it alone keeps its value when everything else is rolled back.
 */
export async function killOnce(db: Database): Promise<Kill> {
  await sql`create sequence conformance_kill`.execute(db)
  await sql`
    create function conformance_kill() returns trigger language plpgsql as $$
    begin
      if nextval('conformance_kill') = 1 then
        raise exception 'killed' using errcode = '57P01';
      end if;
      return new;
    end $$`.execute(db)
  await sql`
    create trigger conformance_kill before insert on import_chunk
      for each row execute function conformance_kill()`.execute(db)
  return {
    async met() {
      const { rows } = await sql<{ called: boolean }>`select is_called as called from conformance_kill`.execute(db)
      return rows[0]?.called === true
    },
    async [Symbol.asyncDispose]() {
      await sql`drop trigger conformance_kill on import_chunk`.execute(db)
      await sql`drop function conformance_kill()`.execute(db)
      await sql`drop sequence conformance_kill`.execute(db)
    },
  }
}
