import { type Kysely, sql } from 'kysely'

/** What an import asks instead of looking at every row: up to where a connector's months are filled, and whether first meetings were taken away. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- The newest activity of a connector and month: whatever is newer is not stored yet.
    create table activity_newest (
      connector_id uuid not null,
      month date not null,
      at timestamptz(3) not null,
      primary key (connector_id, month)
    );
    insert into activity_newest
    select connector_id, date_trunc('month', at at time zone 'UTC')::date, max(at) from activity group by 1, 2;

    -- Moves when a first meeting may have been taken away; imports forget then which ones they have noted.
    create sequence seen_revision;

    -- Chunks whose people no policy was asked to look at yet: spread over the policies before an evaluation begins.
    create table evaluation_notice (
      id bigint generated always as identity primary key,
      identity_ids bigint[] not null,
      created_at timestamptz(3) not null default now()
    );
    create view waiting_evaluation as
      select policy_id, person_id from evaluation_request
      union
      select policy.id, identity.person_id
      from evaluation_notice notice cross join lateral unnest(notice.identity_ids) as touched (id)
      join identity on identity.id = touched.id cross join policy where policy.state = 'enabled';

    -- Ciphertext does not shrink: PostgreSQL need not try.
    alter table sealed_value alter column ciphertext set storage external;
    -- Read by nobody since rollups of them are no longer kept.
    delete from indicator_day using indicator
    where indicator.definition::jsonb -> 'measure' ->> 'of' = 'first_seen'
      and split_part(indicator_day.indicator_id, ' ', 1) = indicator.id || '@' || indicator.version;
  `.execute(db)
}
