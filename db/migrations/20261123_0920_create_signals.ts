import { type Kysely, sql } from 'kysely'

/** What sources said: activities (by month, keyed by identity), their day-rollups, and facts with their history. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table container (
      id bigint generated always as identity primary key,
      connector_id uuid not null references connector,
      lookup_key bytea not null check (length(lookup_key) = 32),
      sealed_id uuid not null references sealed_value,
      unique (connector_id, lookup_key)
    );

    create table activity (
      identity_id bigint not null,
      at timestamptz(3) not null,
      -- first half of the HMAC of connector and source id: the dedupe key
      source_key uuid not null,
      connector_id uuid not null,
      import_id uuid not null,
      verb text not null,
      native_event text not null,
      outcome text not null,
      actor_kind text not null,
      container_id bigint,
      -- 64 bits of the keyed hash of container and object
      object_key bigint,
      object_ext text,
      size_bytes bigint check (size_bytes >= 0),
      item_count int check (item_count >= 0),
      origin_ip inet,
      origin_network cidr,
      origin_country text,
      audience_after text,
      destination_is_external boolean,
      flags text[],
      texts_id uuid,
      texts_index int,
      -- which of the chunk's sources it was read from
      source_index int,
      -- set when a later record of the source corrected this one
      superseded_by uuid,
      primary key (identity_id, at, source_key)
    ) partition by range (at);

    -- Corrections seen so far: a record that arrives after its own correction is born superseded.
    create table activity_correction (
      identity_id bigint not null,
      supersedes_key uuid not null,
      source_key uuid not null,
      primary key (identity_id, supersedes_key)
    );

    -- One rollup per identity, UTC day and indicator; recomputed from activity, never added to.
    create table indicator_day (
      identity_id bigint not null,
      day date not null,
      indicator_id text not null,
      count int not null check (count > 0),
      objects int not null,
      items bigint not null,
      bytes bigint not null,
      first_at timestamptz(3) not null,
      last_at timestamptz(3) not null,
      primary key (identity_id, day, indicator_id)
    ) partition by range (day);

    create function ensure_month(month date) returns void language plpgsql as $$
    declare first date := date_trunc('month', month); next date := (date_trunc('month', month) + interval '1 month');
            suffix text := to_char(month, 'YYYYMM');
    begin
      if to_regclass('activity_' || suffix) is null or to_regclass('indicator_day_' || suffix) is null then
        perform pg_advisory_xact_lock(hashtext('ensure_month'));
        execute format('create table if not exists %I partition of activity for values from (%L) to (%L)',
          'activity_' || suffix, first::text || ' 00:00:00+00', next::text || ' 00:00:00+00');
        execute format('create table if not exists %I partition of indicator_day for values from (%L) to (%L)',
          'indicator_day_' || suffix, first, next);
      end if;
    end $$;

    -- When an identity was first met with a value of a dimension (container, network, country; any = at all).
    create table identity_seen (
      identity_id bigint not null,
      dimension text not null check (dimension in ('any','container','network','country')),
      value text not null,
      first_at timestamptz(3) not null,
      primary key (identity_id, dimension, value)
    );

    create table fact (
      id uuid primary key,
      identity_id bigint not null references identity,
      kind text not null check (kind in
        ('resignation','job_level_change','performance_review','improvement_plan','employee_profile')),
      natural_key text not null,
      -- HMAC of the whole content: the same row again is a duplicate, another row with the same key a correction
      content_key uuid not null,
      effective_at timestamptz(3) not null,
      last_working_at timestamptz(3),
      withdrawn boolean not null default false,
      attributes jsonb not null default '{}',
      sealed_id uuid references sealed_value,
      import_id uuid not null references import,
      line bigint not null,
      -- known as of: a fact counts from recorded_at until superseded_at
      recorded_at timestamptz(3) not null default now(),
      superseded_at timestamptz(3),
      superseded_by uuid references fact deferrable initially deferred,
      check ((superseded_at is null) = (superseded_by is null))
    );
    create unique index fact_current on fact (identity_id, natural_key) where superseded_at is null;
    create index on fact (kind, effective_at) where superseded_at is null;
  `.execute(db)
}
