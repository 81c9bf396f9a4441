import { type Kysely, sql } from 'kysely'

/** People by pseudonym, connectors with their set-up, prerequisites, imports and quarantine. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table person (
      id bigint generated always as identity primary key,
      uid uuid not null unique,
      pseudonym text not null unique,
      created_at timestamptz(3) not null default now()
    );

    create table identity (
      id bigint generated always as identity primary key,
      person_id bigint not null references person,
      scheme text not null,
      -- HMAC-SHA-256 of scheme and normalised value
      lookup_key bytea not null check (length(lookup_key) = 32),
      sealed_id uuid not null references sealed_value,
      created_at timestamptz(3) not null default now(),
      unique (scheme, lookup_key)
    );
    create index on identity (person_id);

    -- Keyed hashes of the words that name a person, so that free text can be masked without names in clear.
    create table name_token (
      token_key bytea not null check (length(token_key) = 32),
      person_id bigint not null references person,
      primary key (token_key, person_id)
    );

    create table connector (
      id uuid primary key,
      kind text not null,
      name text not null unique check (length(name) between 1 and 100),
      state text not null check (state in ('draft','active','paused','retired')),
      settings jsonb not null default '{}',
      secret_id uuid references sealed_value,
      every_seconds int not null check (every_seconds between 10 and 31 * 86400),
      -- { code, detail, guide, by: 'prerequisite' | 'staff' }
      pause_reason jsonb,
      -- where the next import of a pull connector resumes
      position jsonb,
      skip bigint not null default 0 check (skip >= 0),
      activated_at timestamptz(3),
      revision int not null default 1,
      created_by uuid references staff_member,
      created_at timestamptz(3) not null default now(),
      check (state in ('draft','retired') or activated_at is not null),
      check ((state = 'paused') = (pause_reason is not null)),
      -- A connector that is gone leaves no credential behind.
      check (state <> 'retired' or secret_id is null)
    );

    create table seen_key (
      connector_id uuid not null references connector,
      key_hash bytea not null,
      seen_at timestamptz(3) not null default now(),
      primary key (connector_id, key_hash)
    );
    create index on seen_key (connector_id, seen_at);

    create table connector_setup (
      id uuid primary key,
      connector_id uuid not null unique references connector,
      state text not null check (state in ('open','activated','proven','abandoned')),
      -- step id -> { state, at, result }
      steps jsonb not null default '{}',
      -- of the sample file, kept in the spool until the set-up ends
      sample_sha256 text,
      sample_name_id uuid references sealed_value,
      revision int not null default 1,
      created_by uuid references staff_member,
      created_at timestamptz(3) not null default now(),
      updated_at timestamptz(3) not null default now()
    );

    create table prerequisite_status (
      connector_id uuid not null references connector,
      check_id text not null,
      state text not null check (state in ('met','unmet','unknown')),
      code text not null,
      detail text not null,
      since timestamptz(3) not null,
      checked_at timestamptz(3) not null,
      primary key (connector_id, check_id)
    );

    create table import (
      id uuid primary key,
      connector_id uuid not null references connector,
      source text not null check (source in ('schedule','request','upload','cli','drop_folder','redrive')),
      state text not null check (state in ('running','completed','failed','cancelled')),
      nominal_at timestamptz(3) not null,
      -- of the file as it arrived; null for a pull
      body_sha256 text check (body_sha256 ~ '^[0-9a-f]{64}$'),
      body_bytes bigint,
      file_name_id uuid references sealed_value,
      received bigint not null default 0,
      stored bigint not null default 0,
      duplicate bigint not null default 0,
      quarantined bigint not null default 0,
      ignored bigint not null default 0,
      -- rows with a date without a zone
      zone_assumed bigint not null default 0,
      chunks int not null default 0,
      -- where a resumed run goes on; null = from the beginning
      position jsonb,
      skip bigint not null default 0 check (skip >= 0),
      -- { code, detail, fix }
      error jsonb,
      started_at timestamptz(3) not null default now(),
      finished_at timestamptz(3),
      constraint import_balance check (received = stored + duplicate + quarantined + ignored),
      check (least(stored, duplicate, quarantined, ignored) >= 0),
      check ((state = 'running') = (finished_at is null)),
      check ((state = 'failed') = (error is not null))
    );
    create index on import (connector_id, started_at desc);
    create unique index import_of_one_body on import (connector_id, body_sha256)
      where body_sha256 is not null and state in ('running','completed');

    create table import_chunk (
      import_id uuid not null references import,
      number int not null check (number > 0),
      previous_number int generated always as (nullif(number - 1, 0)) stored,
      received int not null,
      stored int not null,
      duplicate int not null,
      quarantined int not null,
      ignored int not null,
      -- object paths, user agents and raw records of the chunk, one JSON line each, sealed as one
      texts_id uuid references sealed_value,
      -- of the objects read, where the source has several
      sources jsonb not null default '[]',
      committed_at timestamptz(3) not null default now(),
      primary key (import_id, number),
      foreign key (import_id, previous_number) references import_chunk (import_id, number),
      constraint chunk_balance check (received = stored + duplicate + quarantined + ignored)
    );

    -- The import's totals are the sums of its chunks, or nothing is committed.
    create function check_import_totals() returns trigger language plpgsql as $$
    declare sums record; kept record;
    begin
      select coalesce(sum(received),0) r, coalesce(sum(stored),0) s, coalesce(sum(duplicate),0) d,
             coalesce(sum(quarantined),0) q, coalesce(sum(ignored),0) i, count(*) n
        into sums from import_chunk where import_id = new.import_id;
      select received, stored, duplicate, quarantined, ignored, chunks into kept from import where id = new.import_id;
      if (sums.r, sums.s, sums.d, sums.q, sums.i, sums.n)
         is distinct from (kept.received, kept.stored, kept.duplicate, kept.quarantined, kept.ignored, kept.chunks) then
        raise exception 'import % does not balance with its chunks', new.import_id using errcode = 'check_violation',
          constraint = 'import_balance';
      end if;
      return null;
    end $$;
    create constraint trigger import_totals after insert or update on import_chunk deferrable initially deferred
      for each row execute function check_import_totals();

    create table quarantined_row (
      id uuid primary key,
      import_id uuid not null references import,
      connector_id uuid not null references connector,
      line bigint not null,
      code text not null,
      cell text,
      expected text,
      texts_id uuid not null references sealed_value,
      texts_index int not null,
      state text not null default 'open' check (state in ('open','redriven','expired')),
      redriven_import_id uuid references import,
      created_at timestamptz(3) not null default now(),
      check ((state = 'redriven') = (redriven_import_id is not null))
    );
    create index on quarantined_row (connector_id, state, code);
    create index on quarantined_row (import_id);
  `.execute(db)
}
