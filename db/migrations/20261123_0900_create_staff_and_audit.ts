import { type Kysely, sql } from 'kysely'

/** Who works with the platform, how they sign in, what they did. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create function refuse_change() returns trigger language plpgsql as $$
    begin
      raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
    end $$;

    create table staff_member (
      id uuid primary key,
      name text not null check (length(name) between 1 and 200),
      roles text[] not null check (
        cardinality(roles) > 0
        and roles <@ array['admin','analyst','investigator','approver','auditor','operator','siem']
        -- No one both asks and approves.
        and not (roles && array['analyst','investigator'] and 'approver' = any (roles))
      ),
      created_at timestamptz(3) not null default now(),
      disabled_at timestamptz(3)
    );

    create table api_token (
      id uuid primary key,
      staff_id uuid not null references staff_member,
      label text not null,
      token_sha256 bytea not null unique check (length(token_sha256) = 32),
      created_at timestamptz(3) not null default now(),
      expires_at timestamptz(3) not null check (expires_at > created_at),
      revoked_at timestamptz(3),
      last_used_at timestamptz(3)
    );
    create index on api_token (staff_id);

    create table audit_entry (
      seq bigint primary key check (seq > 0),
      -- The chain has no gap: every entry but the first points at the one before it.
      previous_seq bigint generated always as (nullif(seq - 1, 0)) stored references audit_entry (seq),
      at timestamptz(3) not null,
      -- null: the platform itself
      staff_id uuid references staff_member,
      action text not null,
      subject_kind text not null,
      subject_id text not null,
      detail jsonb not null,
      previous_hash text not null check (previous_hash ~ '^[0-9a-f]{64}$'),
      hash text not null unique check (hash ~ '^[0-9a-f]{64}$')
    );
    create index on audit_entry (subject_kind, subject_id);
    create trigger append_only before update or delete on audit_entry for each row execute function refuse_change();
    create trigger append_only_all before truncate on audit_entry execute function refuse_change();

    create table idempotent_response (
      staff_id uuid not null references staff_member,
      key text not null check (length(key) between 1 and 200),
      operation text not null,
      request_sha256 text not null,
      -- null while the first call is still running
      status int,
      body jsonb,
      headers jsonb,
      created_at timestamptz(3) not null default now(),
      primary key (staff_id, key)
    );
    create index on idempotent_response (created_at);

    create table sealed_value (
      id uuid primary key,
      purpose text not null check (purpose in ('identity','personal','texts','secret','file_name')),
      key_id text not null,
      nonce bytea not null check (length(nonce) = 12),
      -- AES-256-GCM; the tag is the last 16 bytes, purpose and id are authenticated with it
      ciphertext bytea not null check (length(ciphertext) >= 16),
      created_at timestamptz(3) not null default now()
    );
    create index on sealed_value (key_id);
  `.execute(db)
}
