import { type Kysely, sql } from 'kysely'

/** Destinations and their gapless, ordered sequences of deliveries. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table destination (
      id uuid primary key,
      kind text not null,
      name text not null unique check (length(name) between 1 and 100),
      state text not null check (state in ('active','stopped','retired')),
      settings jsonb not null,
      secret_id uuid references sealed_value,
      -- { code, detail, fix, at }
      stop_reason jsonb,
      last_number bigint not null default 0 check (last_number >= 0),
      accepted_number bigint not null default 0 check (accepted_number between 0 and last_number),
      revision int not null default 1,
      created_by uuid references staff_member,
      created_at timestamptz(3) not null default now(),
      check ((state = 'stopped') = (stop_reason is not null)),
      check (state <> 'retired' or secret_id is null)
    );

    create table delivery (
      destination_id uuid not null references destination,
      number bigint not null check (number > 0),
      -- Gapless by reference: number n cannot exist without n - 1.
      previous_number bigint generated always as (nullif(number - 1, 0)) stored,
      event_id uuid not null,
      kind text not null check (kind in ('alert','manifest')),
      alert_id uuid,
      alert_version int,
      -- UTC day a manifest covers
      manifest_day date,
      -- the canonical event, byte for byte what its hash is over
      payload text not null,
      payload_sha256 text not null,
      state text not null default 'queued' check (state in ('queued','accepted')),
      attempts int not null default 0,
      last_attempt_at timestamptz(3),
      last_response text,
      enqueued_at timestamptz(3) not null default now(),
      accepted_at timestamptz(3),
      primary key (destination_id, number),
      unique (destination_id, event_id),
      unique (destination_id, manifest_day),
      foreign key (destination_id, previous_number) references delivery (destination_id, number),
      foreign key (alert_id, alert_version) references alert_version (alert_id, version),
      check ((kind = 'alert') = (alert_id is not null and alert_version is not null)),
      check ((kind = 'manifest') = (manifest_day is not null)),
      check ((state = 'accepted') = (accepted_at is not null))
    );
    create index on delivery (destination_id, number) where state = 'queued';
    create index on delivery (alert_id, alert_version);

    create function check_delivery_change() returns trigger language plpgsql as $$
    begin
      if (new.destination_id, new.number, new.event_id, new.kind, new.payload, new.payload_sha256, new.enqueued_at)
         is distinct from
         (old.destination_id, old.number, old.event_id, old.kind, old.payload, old.payload_sha256, old.enqueued_at) then
        raise exception 'a delivery never changes its content' using errcode = 'check_violation',
          constraint = 'delivery_immutable';
      end if;
      if old.state = 'accepted' and new.state <> 'accepted' then
        raise exception 'an accepted delivery stays accepted' using errcode = 'check_violation',
          constraint = 'delivery_accepted';
      end if;
      if new.state = 'accepted' and old.state = 'queued' and new.number > 1 and not exists (
           select from delivery where destination_id = new.destination_id and number = new.number - 1
             and state = 'accepted') then
        raise exception 'delivery % is accepted before its predecessor', new.number using errcode = 'check_violation',
          constraint = 'delivery_order';
      end if;
      return new;
    end $$;
    create trigger content before update on delivery for each row execute function check_delivery_change();
    create trigger kept before delete on delivery for each row execute function refuse_change();
  `.execute(db)
}
