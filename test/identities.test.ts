import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { evaluatePolicy } from '../activities/evaluation.ts'
import { matchIdentities, recountDays } from '../activities/identities.ts'
import { previewRules } from '../db/identity-preview.ts'
import { currentRules, parseRules } from '../db/identity-rules.ts'
import * as splits from '../db/identity-splits.ts'
import { maskText } from '../db/masking.ts'
import { identifierText, resolveIdentities } from '../db/people.ts'
import { canonicalJson } from '../domain/canonical.ts'
import type { IdentityRule } from '../domain/identity-rules.ts'
import type { Identifier, IdentifierScheme } from '../domain/signal.ts'
import { customIndicator } from '../policies/custom-indicator.ts'
import { type Importing, importing } from './harness/importing.ts'
import { namedRollups } from './harness/rollups.ts'
import { insertConnector, insertPolicy, personAt } from './harness/rows.ts'

const TIMEOUT = 60_000
let t: Importing
let hr: string
let staffId: string
beforeEach(async () => {
  t = await importing()
  hr = await insertConnector(t.t, 'hr', {
    identifierColumn: 'Kind',
    scenarios: [
      {
        scenario: 'employee_profile',
        identifierValue: 'profile',
        columns: {
          person: 'Email',
          employeeNumber: 'Number',
          userName: 'Login',
          firstName: 'First',
          lastName: 'Last',
          addressLine1: 'Street',
          zipCode: 'Zip',
        },
      },
      {
        scenario: 'resignation',
        identifierValue: 'leaves',
        columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay', userName: 'Login' },
      },
    ],
    assumedZone: 'UTC',
  })
  const staff = await t.t.db
    .insertInto('staff_member')
    .values({ id: '0197a000-0000-7000-8000-00000000000a', name: 'Ada', roles: ['admin'] })
    .returning('id')
    .executeTakeFirstOrThrow()
  staffId = staff.id
})
afterEach(() => t[Symbol.asyncDispose]())

const HEADER = 'Kind,Email,Number,Login,First,Last,Street,Zip,Notice,LastDay'
const profile = (email: string, number: string, login: string, last = 'Iyer', first = 'Rosa') =>
  `profile,${email},${number},${login},${first},${last},Mill Lane 3,12345,,`
const sendHr = (...rows: string[]) => t.send(hr, [HEADER, ...rows].join('\n'))

const accountOf = async (scheme: IdentifierScheme, value: string) => {
  const key = t.t.vault.lookupKey(`identity/${scheme}`, identifierText({ scheme, value }))
  return t.t.db
    .selectFrom('identity')
    .select(['id', 'uid', 'person_id'])
    .where('scheme', '=', scheme)
    .where('lookup_key', '=', key)
    .executeTakeFirstOrThrow()
}
const meet = async (...accounts: Identifier[]) => resolveIdentities(t.t.db, t.t.vault, accounts, new Map())
const address = (value: string): Identifier => ({ scheme: 'address', value })
const inOne = async (...accounts: [IdentifierScheme, string][]) =>
  new Set(await Promise.all(accounts.map(async ([scheme, value]) => (await accountOf(scheme, value)).person_id)))
    .size === 1
const controls = { signal: AbortSignal.timeout(TIMEOUT), heartbeat: () => {} }
const setRules = async (rules: object) => {
  const { version } = await currentRules(t.t.db)
  await t.t.db
    .insertInto('identity_rules')
    .values({ version: version + 1, definition: canonicalJson(parseRules(rules)) })
    .execute()
  await matchIdentities(t.deps, controls)
}
const within = <T>(work: (tx: Parameters<typeof splits.undoJoin>[0]) => Promise<T>) =>
  t.t.db.transaction().execute(work)
const joins = () =>
  t.t.db
    .selectFrom('identity_join')
    .select(['id', 'cause', 'rules', 'import_id', 'line', 'from_person', 'to_person', 'ended_because'])
    .orderBy('created_at')
    .orderBy('identity_a')
    .orderBy('identity_b')
    .execute()
const conflicts = () =>
  t.t.db.selectFrom('identity_conflict').select(['id', 'code', 'cause', 'state']).orderBy('created_at').execute()

describe('a record that names several accounts', () => {
  test('joins them, and says which record it was', async () => {
    await meet(address('rosa@corp.example'), { scheme: 'user_name', value: 'riyer' })
    const before = [await accountOf('address', 'rosa@corp.example'), await accountOf('user_name', 'riyer')]
    await sendHr(profile('rosa@corp.example', 'E1', 'riyer'))
    expect(await inOne(['address', 'ROSA@corp.example'], ['employee_number', 'E1'], ['user_name', 'Riyer'])).toBe(true)
    const made = await joins()
    const { id: importId } = await t.t.db.selectFrom('import').select('id').executeTakeFirstOrThrow()
    expect(made).toHaveLength(2)
    for (const each of made)
      expect(each).toMatchObject({ cause: 'source', import_id: importId, line: 2, to_person: before[0]?.person_id })
    expect(made.map(({ from_person }) => from_person)).toContain(before[1]?.person_id)
  })

  test('joins by the schemes that the rules leave it', async () => {
    await setRules({ sourceAliases: ['employee_number'] })
    await sendHr(profile('rosa@corp.example', 'E1', 'riyer'))
    expect(await inOne(['address', 'rosa@corp.example'], ['employee_number', 'E1'])).toBe(true)
    expect(await inOne(['address', 'rosa@corp.example'], ['user_name', 'riyer'])).toBe(false)
  })

  test('of an account that another profile names asks an admin; one number with two addresses is one person', async () => {
    await sendHr(
      profile('rosa@corp.example', 'E1', 'shared'),
      profile('lee@corp.example', 'E2', 'shared', 'Lee', 'Kim'),
    )
    expect(await inOne(['address', 'rosa@corp.example'], ['user_name', 'shared'])).toBe(true)
    expect(await inOne(['address', 'lee@corp.example'], ['user_name', 'shared'])).toBe(false)
    expect(await conflicts()).toMatchObject([{ code: 'two_employee_numbers', cause: 'source', state: 'open' }])
    await sendHr(profile('rosa.iyer@corp.example', 'E1', 'riyer2', 'Iyer-Novak'))
    expect(await inOne(['address', 'rosa@corp.example'], ['address', 'rosa.iyer@corp.example'])).toBe(true)
    await sendHr(
      profile('first@corp.example', '', 'desk', 'First'),
      profile('second@corp.example', '', 'desk', 'Second'),
    )
    expect((await conflicts()).map(({ code }) => code)).toEqual(['two_employee_numbers', 'two_profiles'])
  })
})

describe('rules', () => {
  const all = {
    plusAddresses: ['corp.example'],
    domainAliases: [{ domain: 'corp.example', aliases: ['corp.onmicrosoft.com'] }],
    accountNames: [{ domain: 'corp.example', windowsDomains: ['CORP'], bare: true }],
    leadingZeros: true,
  }
  const mixed: [IdentifierScheme, string][] = [
    ['address', 'anna@corp.example'],
    ['address', 'anna+news@corp.example'],
    ['address', 'ANNA@corp.onmicrosoft.com'],
    ['user_name', 'CORP\\anna'],
    ['user_name', 'anna'],
  ]

  test('join nothing until they are listed, then what they say, and say by which rule', async () => {
    await meet(...mixed.map(([scheme, value]) => ({ scheme, value })), address('anna@other.example'))
    await matchIdentities(t.deps, controls)
    expect(await joins()).toEqual([])
    await setRules(all)
    expect(await inOne(...mixed)).toBe(true)
    expect(await inOne(['address', 'anna@corp.example'], ['address', 'anna@other.example'])).toBe(false)
    const made = await joins()
    expect(new Set(made.flatMap(({ rules }) => rules))).toEqual(
      new Set<IdentityRule>(['plus_addresses', 'domain_aliases', 'account_names']),
    )
    expect((await currentRules(t.t.db)).appliedAt).not.toBeNull()
    // Whoever comes later is compared as well, and nobody twice.
    await meet(address('anna+later@corp.example'))
    expect(await matchIdentities(t.deps, controls)).toBe(1)
    expect(await inOne(['address', 'anna@corp.example'], ['address', 'anna+later@corp.example'])).toBe(true)
    expect(await matchIdentities(t.deps, controls)).toBe(0)
  })

  test('preview what they would join and end; nothing is changed by it', async () => {
    await meet(...mixed.map(([scheme, value]) => ({ scheme, value })))
    await meet({ scheme: 'employee_number', value: '007' }, { scheme: 'employee_number', value: '7' })
    const before = await t.t.db.selectFrom('identity').selectAll().orderBy('id').execute()
    const found = await previewRules(t.t.db, t.t.vault, parseRules(all))
    expect(found).toMatchObject({ accounts: 7, complete: true, joins: 5, conflicts: 0, vetoed: 0, ends: 0 })
    expect(found.joining.map(({ rules }) => rules.join())).toContain('leading_zeros')
    expect(await t.t.db.selectFrom('identity').selectAll().orderBy('id').execute()).toEqual(before)
    expect(await joins()).toEqual([])
    await setRules(all)
    expect(await previewRules(t.t.db, t.t.vault, parseRules({ leadingZeros: true }))).toMatchObject({
      joins: 0,
      ends: 4,
    })
  })

  test('that are taken back end their joins, and each is whose it was', async () => {
    await meet(...mixed.map(([scheme, value]) => ({ scheme, value })))
    const before = await Promise.all(mixed.map(([scheme, value]) => accountOf(scheme, value)))
    await setRules(all)
    await setRules({ plusAddresses: ['corp.example'] })
    expect(await inOne(['address', 'anna@corp.example'], ['address', 'anna+news@corp.example'])).toBe(true)
    expect(await inOne(['address', 'anna@corp.example'], ['user_name', 'anna'])).toBe(false)
    await setRules({})
    expect(await Promise.all(mixed.map(([scheme, value]) => accountOf(scheme, value)))).toEqual(before)
    expect(new Set((await joins()).map(({ ended_because }) => ended_because))).toEqual(new Set(['rules_changed']))
  })

  test('never join two people with a profile each, nor an account that is no person’s', async () => {
    await sendHr(profile('anna@corp.example', '', '', 'One'), profile('anna@corp.onmicrosoft.com', '', '', 'Two'))
    await meet(address('bot+x@corp.example'), address('bot@corp.example'), { scheme: 'user_name', value: 'CORP\\desk' })
    await meet(address('desk@corp.example'))
    await within(async (tx) =>
      splits.markIdentity(tx, { identityUid: (await accountOf('address', 'bot@corp.example')).uid, kind: 'service' }),
    )
    await within(async (tx) =>
      splits.markIdentity(tx, { identityUid: (await accountOf('address', 'desk@corp.example')).uid, kind: 'shared' }),
    )
    await setRules(all)
    expect((await conflicts()).map(({ code }) => code).sort()).toEqual(['no_person', 'shared_account', 'two_profiles'])
    expect(await joins()).toEqual([])
    // An admin decides.
    const [first, second] = (await conflicts()).filter(({ code }) => code !== 'two_profiles')
    await within((tx) => splits.decideConflict(tx, { conflictId: first?.id ?? '', decision: 'join', staffId }))
    await within((tx) => splits.decideConflict(tx, { conflictId: second?.id ?? '', decision: 'keep_apart', staffId }))
    expect((await joins()).map(({ cause }) => cause)).toEqual(['staff'])
    await expect(
      within((tx) => splits.decideConflict(tx, { conflictId: first?.id ?? '', decision: 'join', staffId })),
    ).rejects.toMatchObject({ code: 'state_conflict' })
    // Rules that no longer say so ask nothing.
    await setRules({})
    expect((await conflicts()).find(({ code }) => code === 'two_profiles')?.state).toBe('withdrawn')
  })
})

describe('a join', () => {
  test('that is undone stays undone, whatever rule or record says so again, until the veto is lifted', async () => {
    await sendHr(profile('rosa@corp.example', 'E1', 'riyer'))
    const login = await accountOf('user_name', 'riyer')
    const held = await t.t.db.selectFrom('identity_join').selectAll().execute()
    const ofLogin = held.find(({ identity_a, identity_b }) => [identity_a, identity_b].includes(login.id))
    const done = await within((tx) => splits.undoJoin(tx, t.t.vault, { joinId: ofLogin?.id ?? '', staffId }))
    expect(done.stays).not.toBe(done.leaves)
    expect(await inOne(['address', 'rosa@corp.example'], ['user_name', 'riyer'])).toBe(false)
    expect(await inOne(['address', 'rosa@corp.example'], ['employee_number', 'E1'])).toBe(true)
    await expect(
      within((tx) => splits.undoJoin(tx, t.t.vault, { joinId: ofLogin?.id ?? '', staffId })),
    ).rejects.toMatchObject({ code: 'state_conflict' })
    // The next file says so again, with another content.
    await sendHr(profile('rosa@corp.example', 'E1', 'riyer', 'Iyer-Novak'))
    expect(await inOne(['address', 'rosa@corp.example'], ['user_name', 'riyer'])).toBe(false)
    await setRules({ accountNames: [{ domain: 'corp.example', bare: true }] })
    await meet(address('riyer@corp.example'))
    await matchIdentities(t.deps, controls)
    expect(await inOne(['address', 'riyer@corp.example'], ['user_name', 'riyer'])).toBe(true)
    const joined = within(async (tx) =>
      splits.joinByStaff(tx, {
        identityUids: [(await accountOf('address', 'rosa@corp.example')).uid, login.uid],
        staffId,
      }),
    )
    await expect(joined).rejects.toMatchObject({ code: 'state_conflict' })
    await within((tx) => splits.liftVeto(tx, { vetoId: done.vetoId, staffId }))
    expect(
      await inOne(['address', 'rosa@corp.example'], ['user_name', 'riyer'], ['address', 'riyer@corp.example']),
    ).toBe(true)
  })

  test('that others hold as well is not undone alone', async () => {
    await meet(address('anna@corp.example'), address('anna+x@corp.example'), address('a@corp.example'))
    const ids = await Promise.all(
      ['anna@corp.example', 'anna+x@corp.example', 'a@corp.example'].map((each) => accountOf('address', each)),
    )
    await setRules({ plusAddresses: ['corp.example'] })
    const [byRule] = await joins()
    await within((tx) => splits.joinByStaff(tx, { identityUids: ids.map(({ uid }) => uid), staffId }))
    await expect(
      within((tx) => splits.undoJoin(tx, t.t.vault, { joinId: byRule?.id ?? '', staffId })),
    ).rejects.toMatchObject({ code: 'state_conflict' })
    expect((await joins()).every(({ ended_because }) => ended_because === null)).toBe(true)
  })
})

describe('a split', () => {
  test('takes accounts out, leaves the rest together, and moves the words that name them', async () => {
    await sendHr(profile('rosa.iyer@corp.example', 'E1', 'mallory.brandt'))
    expect(await maskText(t.t.db, t.t.vault, 'ask mallory brandt')).not.toContain('mallory')
    const hub = await accountOf('address', 'rosa.iyer@corp.example')
    const pseudonymOf = async (personId: number) =>
      (await t.t.db.selectFrom('person').select('pseudonym').where('id', '=', personId).executeTakeFirstOrThrow())
        .pseudonym
    const before = await pseudonymOf(hub.person_id)
    expect(await maskText(t.t.db, t.t.vault, 'ask mallory brandt')).toContain(before)
    // The account that held the others together leaves: they stay one person.
    await within((tx) => splits.splitIdentities(tx, t.t.vault, { identityUids: [hub.uid], staffId }))
    expect(await inOne(['employee_number', 'E1'], ['user_name', 'mallory.brandt'])).toBe(true)
    expect(await inOne(['address', 'rosa.iyer@corp.example'], ['employee_number', 'E1'])).toBe(false)
    const [now, other] = [
      await pseudonymOf((await accountOf('address', 'rosa.iyer@corp.example')).person_id),
      await pseudonymOf((await accountOf('user_name', 'mallory.brandt')).person_id),
    ]
    expect(await maskText(t.t.db, t.t.vault, 'mallory brandt wrote to rosa iyer')).toBe(`${other} wrote to ${now}`)
    expect((await joins()).filter(({ ended_because }) => ended_because === null)).toMatchObject([{ cause: 'split' }])
  })

  test('of what is not one person’s, of all it has, or of what nobody knows is refused', async () => {
    await sendHr(profile('rosa@corp.example', 'E1', 'riyer'))
    await meet(address('lee@corp.example'))
    const uids = async (...accounts: [IdentifierScheme, string][]) =>
      Promise.all(accounts.map(async ([scheme, value]) => (await accountOf(scheme, value)).uid))
    const split = (identityUids: string[]) =>
      within((tx) => splits.splitIdentities(tx, t.t.vault, { identityUids, staffId }))
    await expect(
      split(await uids(['address', 'rosa@corp.example'], ['address', 'lee@corp.example'])),
    ).rejects.toMatchObject({ code: 'invalid_request' })
    await expect(split(await uids(['address', 'lee@corp.example']))).rejects.toMatchObject({ code: 'invalid_request' })
    await expect(split(['0197a000-0000-7000-8000-000000000000'])).rejects.toMatchObject({ code: 'not_found' })
  })
})

/** A policy that a detection of many exports triggers, and the connector that tells of them. */
async function watchedExports() {
  const indicator = customIndicator(
    { detection: 'crm-export', title: 'Exports', innocent: ['A report.'], tiers: { low: 10, medium: 50, high: 200 } },
    1,
  )
  const policyId = await insertPolicy(
    t.t,
    'data-leaks',
    'Leaks',
    {
      raiseAt: 1,
      triggers: { indicators: [{ id: indicator.id, tier: 'medium' }] },
      indicators: [{ id: indicator.id }],
    },
    [indicator],
  )
  const crm = await insertConnector(t.t, 'insider-risk-indicators', {
    columns: { person: 'UPN', at: 'Time' },
    detections: [{ id: 'crm-export', title: 'Exports', amountColumn: 'Count', variants: [] }],
  })
  return { policyId, crm }
}

describe('alerts', () => {
  const alerts = () =>
    t.t.db
      .selectFrom('alert')
      .innerJoin('alert_version', (join) =>
        join.onRef('alert_version.alert_id', '=', 'alert.id').onRef('alert_version.version', '=', 'alert.version'),
      )
      .select(['alert.person_id', 'alert.score', 'alert.version', 'alert_version.because'])
      .orderBy('alert.opened_at')
      .execute()
  const day = (back: number) => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10)
  const requested = (policyId: string) =>
    evaluatePolicy(t.deps)({ policyId, asOf: new Date().toISOString(), everybody: false })

  test('follow an account: what it did goes with it, the one it left says why, and undone all is as before', {
    timeout: TIMEOUT,
  }, async () => {
    const detection = { detection: 'crm-export', title: 'Exports from the CRM' }
    const indicator = customIndicator(
      { ...detection, innocent: ['A report.'], tiers: { low: 10, medium: 50, high: 200 } },
      1,
    )
    const policyId = await insertPolicy(
      t.t,
      'data-leaks',
      'Leaks',
      {
        raiseAt: 1,
        triggers: { indicators: [{ id: indicator.id, tier: 'medium' }] },
        indicators: [{ id: indicator.id }],
      },
      [indicator],
    )
    const crm = await insertConnector(t.t, 'insider-risk-indicators', {
      columns: { person: 'UPN', at: 'Time' },
      detections: [{ id: 'crm-export', title: detection.title, amountColumn: 'Count', variants: [] }],
    })
    await meet(address('rosa@corp.example'), address('other@corp.example'))
    const identityUids = await Promise.all(
      ['rosa@corp.example', 'other@corp.example'].map(async (each) => (await accountOf('address', each)).uid),
    )
    await within((tx) => splits.joinByStaff(tx, { identityUids, staffId }))
    await t.send(crm, `UPN,Time,Count\nother@corp.example,${day(1)}T10:00:00Z,250`)
    await t.evaluate(policyId)
    const rosa = await personAt(t.t, 'rosa@corp.example')
    expect(await alerts()).toMatchObject([{ person_id: rosa, version: 1 }])
    const { score } = (await alerts())[0] as { score: number }

    const done = await within((tx) =>
      splits.splitIdentities(tx, t.t.vault, { identityUids: [identityUids[1] as string], staffId }),
    )
    await recountDays(t.deps, controls)
    expect(await requested(policyId)).toMatchObject({ alertsCreated: [expect.any(String)] })
    const other = await personAt(t.t, 'other@corp.example')
    expect(await alerts()).toMatchObject([
      { person_id: rosa, version: 2, score: 0, because: expect.stringMatching(/fell .* 1 account went to another/) },
      { person_id: other, version: 1, score },
    ])

    await within((tx) => splits.liftVeto(tx, { vetoId: done.vetoId, staffId }))
    await within((tx) => splits.joinByStaff(tx, { identityUids, staffId }))
    await recountDays(t.deps, controls)
    await requested(policyId)
    // Both have an open alert: whoever is known longer stays, and the other hears that its account is gone.
    expect(await alerts()).toMatchObject([
      { person_id: rosa, version: 3, score, because: expect.stringMatching(/rose .* 1 account joined/) },
      { person_id: other, version: 2, score: 0, because: expect.stringMatching(/1 account went/) },
    ])
  })

  test('that were judged are not raised again at whoever the account goes to', { timeout: TIMEOUT }, async () => {
    const { policyId, crm } = await watchedExports()
    await meet(address('rosa@corp.example'))
    await t.send(crm, `UPN,Time,Count\nother@corp.example,${day(1)}T10:00:00Z,250`)
    await t.evaluate(policyId)
    const [raised] = await t.t.db.selectFrom('alert').select('id').execute()
    await t.t.db
      .updateTable('alert')
      .set({ state: 'dismissed', dismiss_reason: 'false_positive', closed_at: new Date() })
      .where('id', '=', raised?.id ?? '')
      .execute()
    const identityUids = await Promise.all(
      ['rosa@corp.example', 'other@corp.example'].map(async (each) => (await accountOf('address', each)).uid),
    )
    await within((tx) => splits.joinByStaff(tx, { identityUids, staffId }))
    expect(await requested(policyId)).toMatchObject({ people: 1, alertsCreated: [] })
    await t.send(crm, `UPN,Time,Count\nother@corp.example,${day(0)}T00:00:01Z,250`)
    expect(await requested(policyId)).toMatchObject({ alertsCreated: [expect.any(String)] })
  })

  test('follow the days that are counted anew: a record of one’s household is one only while the account is one’s own', {
    timeout: TIMEOUT,
  }, async () => {
    const policyId = await insertPolicy(t.t, 'patient-data-misuse', 'Patients', { raiseAt: 1 })
    const ehr = await insertConnector(t.t, 'healthcare', {
      columns: {
        creationTime: 'Time',
        eventName: 'Event',
        patientId: 'MRN',
        patientFirstName: 'First',
        patientLastName: 'Last',
        patientAddressLine1: 'Street',
        patientCity: 'City',
        patientZipCode: 'Zip',
        restrictedReason: 'Reason',
        person: 'Who',
      },
    })
    await sendHr(profile('rosa@corp.example', 'E1', ''))
    await t.send(
      ehr,
      `Time,Event,MRN,First,Last,Street,City,Zip,Reason,Who\n${day(1)}T10:00:00Z,Chart viewed,1,Tom,Quill,Mill Lane 3,Springfield,12345,,riyer@ward.example`,
    )
    await t.evaluate(policyId)
    expect(await alerts()).toEqual([])
    const identityUids = [
      (await accountOf('address', 'rosa@corp.example')).uid,
      (await accountOf('address', 'riyer@ward.example')).uid,
    ]
    await within((tx) => splits.joinByStaff(tx, { identityUids, staffId }))
    expect(await recountDays(t.deps, controls)).toBe(1)
    await requested(policyId)
    const person = await personAt(t.t, 'rosa@corp.example')
    expect(await alerts()).toMatchObject([{ person_id: person, version: 1 }])
    await within((tx) => splits.splitIdentities(tx, t.t.vault, { identityUids: identityUids.slice(1), staffId }))
    await recountDays(t.deps, controls)
    await requested(policyId)
    expect(await alerts()).toMatchObject([{ person_id: person, version: 2, score: 0 }])
    const { rows } = await sql`select from ${namedRollups()} r where indicator_id = 'patient-household'`.execute(t.t.db)
    expect(rows).toEqual([])
  })

  test('never hear of an account that is marked as a service, a guest or anonymous, whoever it is joined to', {
    timeout: TIMEOUT,
  }, async () => {
    const { policyId, crm } = await watchedExports()
    const kinds = ['service', 'guest', 'anonymous'] as const
    await meet(address('rosa@corp.example'), ...kinds.map((kind) => address(`${kind}@corp.example`)))
    const rosa = (await accountOf('address', 'rosa@corp.example')).uid
    for (const kind of kinds) {
      const { uid } = await accountOf('address', `${kind}@corp.example`)
      await within((tx) => splits.markIdentity(tx, { identityUid: uid, kind }))
      await within((tx) => splits.joinByStaff(tx, { identityUids: [rosa, uid], staffId }))
    }
    await t.send(
      crm,
      ['UPN,Time,Count', ...kinds.map((kind) => `${kind}@corp.example,${day(1)}T10:00:00Z,250`)].join('\n'),
    )
    await t.evaluate(policyId)
    expect(await alerts()).toEqual([])
    // The mark taken away, the same activities count.
    const { uid } = await accountOf('address', 'guest@corp.example')
    await within((tx) => splits.markIdentity(tx, { identityUid: uid, kind: null }))
    await requested(policyId)
    expect(await alerts()).toMatchObject([{ person_id: await personAt(t.t, 'rosa@corp.example') }])
  })
})

test('days are counted in pieces, and a run that ended early is gone on with', { timeout: TIMEOUT }, async () => {
  await meet(address('rosa@corp.example'))
  const { id } = await accountOf('address', 'rosa@corp.example')
  await sql`insert into recount select ${id}, day::date from generate_series('2020-01-01'::date, '2023-04-14', '1 day') day`.execute(
    t.t.db,
  )
  const stop = new AbortController()
  const early = recountDays(t.deps, { signal: stop.signal, heartbeat: () => stop.abort() })
  await expect(early).rejects.toThrow()
  const left = await t.t.db.selectFrom('recount').select('day').execute()
  expect(left).toHaveLength(700)
  expect(await recountDays(t.deps, controls)).toBe(2)
  expect(await t.t.db.selectFrom('recount').select('day').execute()).toEqual([])
})
