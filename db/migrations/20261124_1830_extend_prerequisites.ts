import { type Kysely, sql } from 'kysely'

/** Prerequisites of policies and destinations, attestations, the history of verdicts, and what policies saw by day. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table prerequisite_status
      drop constraint prerequisite_status_pkey,
      alter column connector_id drop not null,
      add column policy_id uuid references policy,
      add column destination_id uuid references destination,
      -- when the answer no longer holds
      add column valid_until timestamptz(3),
      drop constraint prerequisite_status_state_check,
      add constraint prerequisite_status_state_check check (state in ('met','warning','unmet','unknown')),
      add constraint prerequisite_status_of_one check (num_nonnulls(connector_id, policy_id, destination_id) = 1),
      add unique nulls not distinct (connector_id, policy_id, destination_id, check_id);
    update prerequisite_status set valid_until = checked_at + interval '1 day';
    alter table prerequisite_status alter column valid_until set not null;

    -- Every change of a verdict, for ever.
    create table prerequisite_change (
      id bigint generated always as identity primary key,
      connector_id uuid references connector,
      policy_id uuid references policy,
      destination_id uuid references destination,
      check_id text not null,
      state text not null check (state in ('met','warning','unmet','unknown')),
      code text not null,
      at timestamptz(3) not null default now(),
      constraint prerequisite_change_of_one check (num_nonnulls(connector_id, policy_id, destination_id) = 1)
    );
    create index on prerequisite_change (connector_id, at desc) where connector_id is not null;
    create trigger immutable before update or delete on prerequisite_change for each row execute function refuse_change();

    -- What nobody can ask by an API, somebody vouches for until a day.
    create table prerequisite_attestation (
      id uuid primary key,
      connector_id uuid references connector,
      policy_id uuid references policy,
      destination_id uuid references destination,
      check_id text not null,
      staff_id uuid not null references staff_member,
      evidence text not null check (length(evidence) between 1 and 2000),
      attested_at timestamptz(3) not null default now(),
      expires_at timestamptz(3) not null,
      withdrawn_at timestamptz(3),
      withdrawn_by uuid references staff_member,
      check (expires_at > attested_at),
      check ((withdrawn_at is null) = (withdrawn_by is null)),
      constraint prerequisite_attestation_of_one check (num_nonnulls(connector_id, policy_id, destination_id) = 1)
    );
    create index on prerequisite_attestation (connector_id, policy_id, destination_id, check_id, attested_at desc);

    -- A condition of the policy itself has no connector.
    alter table policy_blind alter column connector_id drop not null;
    drop index policy_blind_now;
    create unique index policy_blind_now on policy_blind (policy_id, connector_id, check_id)
      nulls not distinct where to_at is null;
    create index on policy_blind (policy_id, from_at);

    -- What a policy saw of each of its sources on a day that is over.
    create table policy_sight (
      policy_id uuid not null references policy,
      day date not null,
      -- 'activities:<kind>', 'facts:<kind>' or 'policy' for a condition of its own
      need text not null,
      connector_id uuid references connector,
      state text not null check (state in ('seen','partly','blind','absent')),
      blind_seconds int not null check (blind_seconds between 0 and 86400),
      -- [{ checkId, code, detail, guide }]
      reasons jsonb not null,
      -- of what the policy's sources brought in the days before
      people_share real check (people_share between 0 and 1),
      activity_share real check (activity_share between 0 and 1),
      recorded_at timestamptz(3) not null default now(),
      unique nulls not distinct (policy_id, day, need, connector_id),
      check ((state = 'seen') = (blind_seconds = 0))
    );
    create trigger immutable before update or delete on policy_sight for each row execute function refuse_change();
  `.execute(db)
}
