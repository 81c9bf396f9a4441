import { type Kysely, sql } from 'kysely'

/** Policies and indicators in immutable versions, alerts with receipts, approvals, cases. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table indicator (
      id text not null,
      version int not null check (version > 0),
      previous_version int generated always as (nullif(version - 1, 0)) stored,
      definition jsonb not null,
      sha256 text not null,
      created_at timestamptz(3) not null default now(),
      primary key (id, version),
      foreign key (id, previous_version) references indicator (id, version)
    );
    create trigger immutable before update or delete on indicator for each row execute function refuse_change();

    create table policy (
      id uuid primary key,
      template text not null,
      name text not null unique,
      state text not null check (state in ('enabled','disabled')),
      version int not null,
      revision int not null default 1,
      created_by uuid references staff_member,
      created_at timestamptz(3) not null default now()
    );

    create table policy_version (
      policy_id uuid not null references policy deferrable initially deferred,
      version int not null check (version > 0),
      previous_version int generated always as (nullif(version - 1, 0)) stored,
      -- windows, bands, clocks, approvals, and the indicator versions it scores with
      definition jsonb not null,
      sha256 text not null,
      note text not null,
      created_by uuid references staff_member,
      created_at timestamptz(3) not null default now(),
      primary key (policy_id, version),
      foreign key (policy_id, previous_version) references policy_version (policy_id, version)
    );
    create trigger immutable before update or delete on policy_version for each row execute function refuse_change();
    alter table policy add foreign key (id, version) references policy_version (policy_id, version)
      deferrable initially deferred;

    create table policy_blind (
      id uuid primary key,
      policy_id uuid not null references policy,
      connector_id uuid not null references connector,
      check_id text not null,
      code text not null,
      detail text not null,
      guide text not null,
      from_at timestamptz(3) not null,
      to_at timestamptz(3),
      check (to_at >= from_at)
    );
    create unique index policy_blind_now on policy_blind (policy_id, connector_id, check_id) where to_at is null;

    -- People whose signals changed since a policy last looked at them; written in the transaction that changed them.
    create table evaluation_request (
      policy_id uuid not null references policy,
      person_id bigint not null references person,
      requested_at timestamptz(3) not null default now(),
      primary key (policy_id, person_id)
    );

    create table evaluation (
      id uuid primary key,
      policy_id uuid not null,
      policy_version int not null,
      as_of timestamptz(3) not null,
      people int not null,
      active_people int not null,
      insights int not null,
      alerts_created int not null,
      alerts_updated int not null,
      took_ms int not null,
      created_at timestamptz(3) not null default now(),
      foreign key (policy_id, policy_version) references policy_version (policy_id, version)
    );
    create index on evaluation (policy_id, created_at desc);

    create table comment (
      id uuid primary key,
      subject_kind text not null check (subject_kind in ('alert','approval','case')),
      subject_id uuid not null,
      author_id uuid not null references staff_member,
      -- known identifiers already replaced by pseudonyms
      body text not null check (length(body) between 1 and 20000),
      created_at timestamptz(3) not null default now()
    );
    create index on comment (subject_kind, subject_id, created_at);
    create trigger immutable before update or delete on comment for each row execute function refuse_change();

    create table alert (
      id uuid primary key,
      policy_id uuid not null references policy,
      person_id bigint not null references person,
      state text not null check (state in ('needs_review','confirmed','dismissed','resolved')),
      severity text not null check (severity in ('low','medium','high')),
      score numeric(4,1) not null check (score between 0 and 100),
      version int not null check (version > 0),
      assignee_id uuid references staff_member,
      dismiss_reason text check (dismiss_reason in
        ('expected_activity','not_impactful','too_much_activity','false_positive')),
      case_id uuid,
      -- what the clocks did: nobody has looked in time
      attention text not null default 'none' check (attention in ('none','reminded','overdue')),
      opened_at timestamptz(3) not null,
      updated_at timestamptz(3) not null,
      closed_at timestamptz(3),
      check ((state = 'dismissed') = (dismiss_reason is not null)),
      check ((state in ('dismissed','resolved')) = (closed_at is not null))
    );
    create unique index alert_open on alert (policy_id, person_id) where state in ('needs_review','confirmed');
    create index on alert (state, opened_at desc);

    create table receipt (
      id uuid primary key,
      alert_id uuid not null references alert deferrable initially deferred,
      policy_id uuid not null,
      policy_version int not null,
      engine_version text not null,
      as_of timestamptz(3) not null,
      -- what made the person active: kind, day, window
      trigger jsonb not null,
      score numeric(4,1) not null,
      severity text not null,
      -- over the canonical JSON of everything the score is computed from
      sha256 text not null,
      created_at timestamptz(3) not null default now(),
      foreign key (policy_id, policy_version) references policy_version (policy_id, version)
    );
    create index on receipt (alert_id);
    create trigger immutable before update or delete on receipt for each row execute function refuse_change();

    create table contribution (
      receipt_id uuid not null references receipt,
      ordinal int not null,
      indicator_id text not null,
      indicator_version int not null,
      day date not null,
      value double precision not null,
      unit text not null,
      tier text not null check (tier in ('low','medium','high')),
      base_weight double precision not null check (base_weight > 0 and base_weight < 1),
      -- [{ id, weight, because }]
      boosters jsonb not null,
      weight double precision not null check (weight > 0 and weight < 1),
      because text not null,
      -- [{ import_id, sha256, activities, source_keys }]: down to event, import and file
      evidence jsonb not null,
      primary key (receipt_id, ordinal),
      foreign key (indicator_id, indicator_version) references indicator (id, version)
    );
    create trigger immutable before update or delete on contribution for each row execute function refuse_change();

    create table alert_version (
      alert_id uuid not null references alert deferrable initially deferred,
      version int not null check (version > 0),
      previous_version int generated always as (nullif(version - 1, 0)) stored,
      event_id uuid not null unique,
      change text not null,
      state text not null,
      severity text not null,
      score numeric(4,1) not null,
      receipt_id uuid not null references receipt,
      assignee_id uuid references staff_member,
      case_id uuid,
      staff_id uuid references staff_member,
      comment_id uuid references comment,
      -- idempotency of whatever caused it
      cause_key text not null,
      created_at timestamptz(3) not null default now(),
      primary key (alert_id, version),
      unique (alert_id, cause_key),
      foreign key (alert_id, previous_version) references alert_version (alert_id, version)
    );
    create trigger immutable before update or delete on alert_version for each row execute function refuse_change();
    alter table alert add foreign key (id, version) references alert_version (alert_id, version)
      deferrable initially deferred;

    create table approval (
      id uuid primary key,
      kind text not null check (kind in ('escalate')),
      alert_id uuid not null references alert,
      requested_by uuid not null references staff_member,
      reason_id uuid not null references comment,
      quorum int not null check (quorum between 1 and 5),
      state text not null default 'pending' check (state in ('pending','approved','rejected','expired','withdrawn')),
      remind_at timestamptz(3),
      reminded_at timestamptz(3),
      expires_at timestamptz(3) not null,
      created_at timestamptz(3) not null default now(),
      closed_at timestamptz(3),
      check ((state = 'pending') = (closed_at is null))
    );
    create unique index approval_pending on approval (kind, alert_id) where state = 'pending';

    create table approval_decision (
      approval_id uuid not null references approval,
      staff_id uuid not null references staff_member,
      decision text not null check (decision in ('approve','reject')),
      reason_id uuid references comment,
      cause_key text not null,
      decided_at timestamptz(3) not null default now(),
      -- one voice each: the quorum is of distinct people
      primary key (approval_id, staff_id)
    );
    create trigger immutable before update or delete on approval_decision for each row execute function refuse_change();

    create function check_decision() returns trigger language plpgsql as $$
    declare asked approval%rowtype; held text[];
    begin
      select * into asked from approval where id = new.approval_id for update;
      if asked.requested_by = new.staff_id then
        raise exception 'the requester may not decide' using errcode = 'check_violation', constraint = 'approval_self_decision';
      end if;
      if asked.state <> 'pending' or asked.expires_at <= new.decided_at then
        raise exception 'the approval is closed' using errcode = 'check_violation', constraint = 'approval_closed';
      end if;
      select roles into held from staff_member where id = new.staff_id and disabled_at is null;
      if held is null or not 'approver' = any (held) then
        raise exception 'only an approver decides' using errcode = 'check_violation', constraint = 'approval_role';
      end if;
      return new;
    end $$;
    create trigger allowed before insert on approval_decision for each row execute function check_decision();

    create function check_approval_state() returns trigger language plpgsql as $$
    declare yes int; no int;
    begin
      if old.state <> 'pending' and new.state is distinct from old.state then
        raise exception 'a closed approval stays closed' using errcode = 'check_violation', constraint = 'approval_closed';
      end if;
      select count(*) filter (where decision = 'approve'), count(*) filter (where decision = 'reject')
        into yes, no from approval_decision where approval_id = new.id;
      if (new.state = 'approved' and (yes < new.quorum or no > 0)) or (new.state = 'rejected' and no = 0) then
        raise exception 'state % lacks its decisions', new.state using errcode = 'check_violation',
          constraint = 'approval_quorum';
      end if;
      return new;
    end $$;
    create trigger quorum before update on approval for each row execute function check_approval_state();

    create table case_file (
      id uuid primary key,
      person_id bigint not null references person,
      approval_id uuid not null unique references approval,
      state text not null check (state in ('active','resolved')),
      resolution text check (resolution in ('benign','confirmed_violation')),
      assignee_id uuid references staff_member,
      revision int not null default 1,
      opened_at timestamptz(3) not null default now(),
      resolved_at timestamptz(3),
      check ((state = 'resolved') = (resolution is not null)),
      check ((state = 'resolved') = (resolved_at is not null))
    );
    create index on case_file (person_id);

    create function check_case_opened() returns trigger language plpgsql as $$
    begin
      if not exists (select from approval where id = new.approval_id and state = 'approved') then
        raise exception 'a case needs an approved escalation' using errcode = 'check_violation',
          constraint = 'case_needs_approval';
      end if;
      return new;
    end $$;
    create trigger approved before insert on case_file for each row execute function check_case_opened();

    alter table alert add foreign key (case_id) references case_file;
    alter table alert_version add foreign key (case_id) references case_file;
  `.execute(db)
}
