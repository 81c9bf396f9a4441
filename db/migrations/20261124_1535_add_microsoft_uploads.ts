import { type Kysely, sql } from 'kysely'

/** What Microsoft's upload scripts sign in with, and the blocks they have sent until a run of them is joined. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table microsoft_upload (
      connector_id uuid primary key references connector,
      -- what the script calls its app id
      client_id uuid not null unique,
      enabled boolean not null default false,
      last_accepted_at timestamptz(3),
      last_refused_at timestamptz(3),
      -- code of the last refusal
      last_refusal text,
      created_at timestamptz(3) not null default now(),
      check ((last_refused_at is null) = (last_refusal is null))
    );

    create table microsoft_upload_secret (
      id uuid primary key,
      connector_id uuid not null references microsoft_upload,
      secret_sha256 bytea not null unique check (length(secret_sha256) = 32),
      created_at timestamptz(3) not null default now(),
      expires_at timestamptz(3) not null check (expires_at > created_at),
      revoked_at timestamptz(3),
      last_used_at timestamptz(3)
    );
    create index on microsoft_upload_secret (connector_id);

    create table upload_run (
      id uuid primary key,
      connector_id uuid not null references connector,
      -- what tells the blocks of one run of a script from those of others
      run_key text not null,
      -- whole: one file, not cut into blocks
      whole boolean not null,
      state text not null check (state in ('collecting','complete','joined')),
      -- complete at this time, unless a further block comes before
      due_at timestamptz(3) not null,
      -- the name that came with a whole file
      file_name_id uuid references sealed_value,
      import_ids uuid[] not null default '{}',
      created_at timestamptz(3) not null default now(),
      joined_at timestamptz(3),
      check ((state = 'joined') = (joined_at is not null))
    );
    create unique index upload_run_collecting on upload_run (connector_id, run_key) where state = 'collecting';
    create index on upload_run (connector_id, run_key, created_at);
    create index on upload_run (state) where state <> 'joined';

    create table upload_block (
      run_id uuid not null references upload_run,
      sequence int not null check (sequence >= 0),
      sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
      bytes bigint not null,
      -- of the first line, without its end
      header_sha256 text not null,
      -- physical lines behind the header
      lines bigint not null,
      -- the quotes behind the header do not pair up: a record goes on in the next block
      odd_quotes boolean not null,
      arrived_at timestamptz(3) not null default now(),
      primary key (run_id, sequence)
    );
    create index on upload_block (sha256);

    alter table import drop constraint import_source_check, add constraint import_source_check check (source in
      ('schedule','request','upload','cli','drop_folder','redrive','microsoft_upload'));
  `.execute(db)
}
