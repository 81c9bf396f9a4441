import { type Kysely, sql } from 'kysely'

/** Backfills: a range in time or a set of files, cut into pieces, each read by an import of its own. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table backfill (
      id uuid primary key,
      connector_id uuid not null references connector,
      state text not null check (state in ('running','paused','completed','cancelled')),
      from_at timestamptz(3),
      to_at timestamptz(3),
      -- of a set of files: the folder on the worker's machine
      folder text,
      parallel int not null check (parallel between 1 and 16),
      requests_per_second double precision check (requests_per_second > 0),
      -- { from, to, timeZone }
      hours jsonb,
      -- pieces that may have been read too early, or found nothing, are read once more at the end
      swept_at timestamptz(3),
      -- what was read and what was not, once it has ended
      statement jsonb,
      created_by uuid references staff_member,
      created_at timestamptz(3) not null default now(),
      finished_at timestamptz(3),
      check ((from_at is null) = (to_at is null) and (from_at is null) <> (folder is null)),
      check (from_at < to_at),
      check ((state in ('completed','cancelled')) = (finished_at is not null)),
      check ((finished_at is null) = (statement is null))
    );
    create index on backfill (connector_id, created_at desc);
    -- One at a time: two would read the same source against its limits.
    create unique index backfill_under_way on backfill (connector_id) where state in ('running','paused');

    create table backfill_piece (
      backfill_id uuid not null references backfill,
      number int not null check (number > 0),
      from_at timestamptz(3),
      to_at timestamptz(3),
      file_name_id uuid references sealed_value,
      state text not null default 'waiting' check (state in ('waiting','running','done','set_aside','cancelled')),
      tries int not null default 0,
      not_before timestamptz(3),
      sweep boolean not null default false,
      -- the newest import that read it
      import_id uuid references import,
      -- { code, detail, fix } of the last try
      error jsonb,
      read_at timestamptz(3),
      primary key (backfill_id, number),
      check ((from_at is null) = (to_at is null) and (from_at is null) <> (file_name_id is null)),
      check (state not in ('running','done') or import_id is not null),
      check (state <> 'set_aside' or error is not null)
    );
    create index on backfill_piece (backfill_id, state, number);
    create index on backfill_piece (import_id);

    alter table import
      drop constraint import_source_check,
      add constraint import_source_check check (source in
        ('schedule','request','upload','cli','drop_folder','redrive','microsoft_upload','sftp','s3_prefix','backfill')),
      add column backfill_id uuid references backfill,
      add column range_from timestamptz(3),
      add column range_to timestamptz(3),
      add constraint import_range check ((range_from is null) = (range_to is null) and range_from < range_to);
    create index on import (backfill_id) where backfill_id is not null;
  `.execute(db)
}
