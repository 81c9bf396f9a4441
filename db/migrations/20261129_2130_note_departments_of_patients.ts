import { type Kysely, sql } from 'kysely'

/** In which departments the people were met whose records are touched: what no single record tells. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- Pairs of keyed hashes that some record tells which counts; without a department where it names none. Whoever is not
    -- in here was never met.
    create table subject_department (
      subject_key bigint not null,
      department_key bigint,
      unique nulls not distinct (subject_key, department_key)
    );
    insert into subject_department
    select distinct subject_key, subject_department_key from activity
    where subject_key is not null and superseded_by is null;

    -- Who looked at somebody's record before it was known where that one was treated.
    create index on activity (subject_key) where subject_key is not null;
  `.execute(db)
}
