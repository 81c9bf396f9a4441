import { type Kysely, sql } from 'kysely'

/** Why accounts are one person's: rules, joins, vetoes, conflicts, and the person-days to count again. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table identity
      add column uid uuid not null default gen_random_uuid() unique,
      -- who acts by it, where an admin or a directory said so
      add column kind text check (kind in ('person','service','guest','anonymous','shared')),
      -- the rules under which it was last compared with the others
      add column compared_version int not null default 0;
    create index on identity (compared_version);

    -- Accounts whose activities may raise a person's score.
    create view acting_identity as
      select id, person_id from identity where kind is null or kind not in ('service','guest','anonymous');

    create table identity_rules (
      version int primary key,
      definition jsonb not null,
      made_by uuid references staff_member,
      created_at timestamptz(3) not null default now(),
      -- when all accounts had been compared by them, and joins of before were ended
      applied_at timestamptz(3)
    );
    insert into identity_rules (version, definition, applied_at) values (1, '{}', now());

    -- What an account is spelled like once the rules are applied; equal forms are one person's.
    create table identity_form (
      identity_id bigint primary key references identity,
      form_key bytea not null check (length(form_key) = 32),
      -- those that were needed to spell it so
      rules text[] not null
    );
    create index on identity_form (form_key);

    create table identity_join (
      id uuid primary key,
      identity_a bigint not null references identity,
      identity_b bigint not null references identity,
      cause text not null check (cause in ('source','rule','staff','split','earlier')),
      rules text[] not null default '{}',
      rules_version int references identity_rules,
      -- the record that said so
      import_id uuid references import,
      line bigint,
      made_by uuid references staff_member,
      -- null: they were one person's already
      from_person bigint references person,
      to_person bigint not null references person,
      created_at timestamptz(3) not null default now(),
      ended_at timestamptz(3),
      ended_by uuid references staff_member,
      ended_because text check (ended_because in ('undone','split','rules_changed')),
      check (identity_a < identity_b),
      check ((ended_at is null) = (ended_because is null))
    );
    create unique index identity_join_held on identity_join (identity_a, identity_b, cause) where ended_at is null;
    create index on identity_join (identity_b) where ended_at is null;
    create index on identity_join (to_person);
    create index on identity_join (from_person);

    -- Every change of owner, so that an alert can say why its evidence went or came.
    create table identity_move (
      id bigint generated always as identity primary key,
      identity_id bigint not null references identity,
      from_person bigint not null references person,
      to_person bigint not null references person,
      created_at timestamptz(3) not null default now()
    );
    create index on identity_move (identity_id);
    create index on identity_move (from_person);
    create index on identity_move (to_person);

    -- Accounts that are not one person's, whatever a rule or a source says.
    create table identity_veto (
      id uuid primary key,
      because text not null check (because in ('undone','split','kept_apart')),
      made_by uuid references staff_member,
      created_at timestamptz(3) not null default now(),
      lifted_by uuid references staff_member,
      lifted_at timestamptz(3)
    );
    create table identity_veto_pair (
      veto_id uuid not null references identity_veto,
      identity_a bigint not null references identity,
      identity_b bigint not null references identity,
      primary key (veto_id, identity_a, identity_b),
      check (identity_a < identity_b)
    );
    create index on identity_veto_pair (identity_a);
    create index on identity_veto_pair (identity_b);

    -- Joins that were asked for and are not clear enough to be made without an admin.
    create table identity_conflict (
      id uuid primary key,
      identity_a bigint not null references identity,
      identity_b bigint not null references identity,
      code text not null check (code in
        ('two_profiles','two_employee_numbers','no_person','shared_account','too_many_accounts')),
      cause text not null check (cause in ('source','rule')),
      rules text[] not null default '{}',
      rules_version int references identity_rules,
      import_id uuid references import,
      line bigint,
      state text not null default 'open' check (state in ('open','joined','kept_apart','withdrawn')),
      created_at timestamptz(3) not null default now(),
      decided_by uuid references staff_member,
      decided_at timestamptz(3),
      check (identity_a < identity_b),
      check ((state = 'open') = (decided_at is null))
    );
    create unique index identity_conflict_open on identity_conflict (identity_a, identity_b) where state = 'open';

    -- Person-days whose indicators depend on whose an account is, and that are not counted anew yet.
    create table recount (
      identity_id bigint not null,
      day date not null,
      primary key (identity_id, day)
    );

    -- Joins of before: each account with the first of its person.
    insert into identity_join (id, identity_a, identity_b, cause, to_person)
    select gen_random_uuid(), first.id, identity.id, 'earlier', identity.person_id
    from identity join lateral (
      select min(other.id) as id from identity other where other.person_id = identity.person_id
    ) first on first.id < identity.id;
  `.execute(db)
}
