import { type Kysely, sql } from 'kysely'

/** Whose record an activity touched, what a source measured itself, findings and their versions. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table activity
      add column amount double precision,
      -- keyed hashes of the normal forms of the person whose record was touched
      add column subject_key bigint,
      add column subject_name_key bigint,
      add column subject_last_name_key bigint,
      add column subject_address_key bigint,
      add column subject_street_key bigint,
      add column subject_department_key bigint,
      add column severity text check (severity in ('informational','low','medium','high')),
      add column category text,
      add column finding_state text check (finding_state in ('open','resolved','false_positive')),
      -- versions of one thing share a key; the newest counts
      add column version_key uuid,
      add column version_at timestamptz(3),
      add constraint activity_version check ((version_key is null) = (version_at is null)),
      add constraint activity_finding check ((severity is null) = (finding_state is null)
        and (severity is null) = (category is null));
    create index on activity (version_key) where version_key is not null;
    create index on activity (subject_name_key) where subject_name_key is not null;
    create index on activity (identity_id, at) where subject_last_name_key is not null;

    alter table fact drop constraint fact_kind_check, add constraint fact_kind_check check (kind in
      ('resignation','job_level_change','performance_review','improvement_plan','employee_profile','account_deleted',
       'group_member'));

    -- the greatest amount of the day
    alter table indicator_day add column amount double precision;

    -- What a person inside is compared by; one row per account with a current profile.
    create table profile_key (
      identity_id bigint primary key references identity,
      name_key bigint,
      last_name_key bigint,
      address_key bigint,
      street_key bigint,
      department_key bigint
    );
    create index on profile_key (name_key);
  `.execute(db)
}
