import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import { type GraphUsers, startMicrosoftGraphUsers } from '../../sandbox/microsoft-graph-users.ts'
import { ENTRA_APP } from '../../sandbox/vendor/entra.ts'
import { type Importing, importing } from '../../test/harness/importing.ts'
import { insertConnector, insertPolicy, personAt } from '../../test/harness/rows.ts'
import { config } from './config.ts'
import { map } from './map.ts'

const DAY_MS = 86_400_000
const NOW = Math.floor(Date.now() / 1000) * 1000
const READ_AT = '2026-11-20T12:00:00.000Z'
const ROSA = {
  id: '87d349ed-44d7-43e1-9a83-5f2406dee5bd',
  userPrincipalName: 'rosa@corp.example',
  mail: 'rosa.iyer@corp.example',
  employeeId: 'E1',
  onPremisesSamAccountName: 'riyer',
  givenName: 'Rosa',
  surname: 'Iyer',
  department: 'Research',
  userType: 'Member',
  accountEnabled: true,
}

describe('the mapping', () => {
  const told = (tells: string, user: unknown) => map({ tells, user, readAt: READ_AT })
  test('takes the manager that is, and no address twice', () => {
    const fact = told('profile', {
      ...ROSA,
      proxyAddresses: ['SMTP:ROSA@corp.example', 'smtp:', 7, 'SIP:rosa@corp.example'],
      'manager@delta': [{ id: 'old', '@removed': { reason: 'deleted' } }, { id: 'new' }],
    })
    expect(fact).toMatchObject({ personal: { managerId: 'new' } })
    expect((fact as unknown as { aliases: { value: string }[] }).aliases.map(({ value }) => value)).toEqual([
      'rosa@corp.example',
      'rosa.iyer@corp.example',
      'E1',
      'riyer',
    ])
  })

  test('names a guest by the account alone', () => {
    const guest = told('profile', { ...ROSA, userType: 'guest' })
    expect(guest).toMatchObject({ personKind: 'guest', person: { value: `entra:${ROSA.id}` } })
    expect(guest).not.toHaveProperty('aliases')
  })

  test.each([
    ['no id', 'profile', { ...ROSA, id: 7 }, 'identifier_invalid'],
    ['no address', 'profile', { id: 'x', userPrincipalName: 'rosa' }, 'identifier_invalid'],
    ['a leave date that is none', 'leave', { ...ROSA, employeeLeaveDateTime: 'soon' }, 'date_invalid'],
  ])('rejects %s', (_what, tells, user, code) => {
    expect(told(tells, user)).toMatchObject({ type: 'rejected', code })
  })

  test('takes a leave date back only where this source told it', () => {
    expect(told('leave', { ...ROSA, employeeLeaveDateTime: null })).toMatchObject({ withdrawn: true, takesBack: true })
  })
})

describe('an import', () => {
  let t: Importing
  let vendor: GraphUsers
  let id: string
  let hr: string | undefined
  beforeEach(async () => {
    t = await importing()
    hr = undefined
    vendor = await startMicrosoftGraphUsers({ pageUsers: 2 })
    id = await insertConnector(t.t, 'microsoft-graph-users', {
      ...ENTRA_APP,
      graphUrl: vendor.url,
      loginUrl: vendor.url,
    })
  })
  afterEach(async () => {
    await vendor.close()
    await t[Symbol.asyncDispose]()
  })

  const facts = async (kind: string) =>
    t.t.db
      .selectFrom('fact')
      .select(['withdrawn', 'last_working_at', 'attributes'])
      .where('kind', '=', kind)
      .where('superseded_at', 'is', null)
      .orderBy('recorded_at')
      .execute()
  const asked = () => vendor.requests.filter(({ operation }) => operation === 'users').map(({ query }) => [...query])
  const leaves = (days: number) => new Date(NOW + days * DAY_MS)
  const hrSays = async (lastDay: Date, note: string) => {
    hr ??= await insertConnector(t.t, 'hr', {
      scenarios: [
        {
          scenario: 'resignation',
          columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay', employeeNumber: 'Number' },
        },
      ],
    })
    return t.send(
      hr,
      `Email,Notice,LastDay,Number\nrosa@corp.example,2026-11-01T00:00:00Z,${lastDay.toISOString()},E1\n${note}`,
    )
  }
  test('joins the accounts of a user, reads changes alone after that, and all again when they are forgotten', async () => {
    for (const n of [1, 2, 3])
      vendor.put({
        ...ROSA,
        id: `u${n}`,
        userPrincipalName: `u${n}@corp.example`,
        mail: null,
        employeeId: `N${n}`,
        onPremisesSamAccountName: `n${n}`,
      })
    vendor.put(ROSA)
    expect(await t.pull(id)).toMatchObject({ received: 4, stored: 4 })
    expect(asked()).toEqual([['$select'], ['$skiptoken']])
    const people = await t.t.db.selectFrom('identity').select(['person_id', 'scheme']).orderBy('scheme').execute()
    const rosa = await personAt(t.t, 'rosa.iyer@corp.example')
    expect(people.filter(({ person_id }) => person_id === rosa).map(({ scheme }) => scheme)).toEqual([
      'address',
      'address',
      'employee_number',
      'user_name',
      'vendor_id',
    ])
    const joins = await t.t.db.selectFrom('identity_join').select(['cause', 'import_id', 'line']).execute()
    for (const join of joins) expect(join).toMatchObject({ cause: 'source', import_id: expect.any(String) })

    expect(await t.pull(id)).toMatchObject({ received: 0 })
    vendor.put({ ...ROSA, department: 'Sales' })
    expect(await t.pull(id)).toMatchObject({ received: 2, stored: 1, duplicate: 1 })
    expect(asked().slice(2)).toEqual([['$deltatoken'], ['$deltatoken']])
    expect((await facts('employee_profile')).map(({ attributes }) => (attributes as any).department)).toContain('Sales')

    vendor.forgetsBefore = Date.now() + DAY_MS
    expect(await t.pull(id)).toMatchObject({ received: 4, stored: 0, duplicate: 4 })
    expect(asked().slice(4)).toEqual([['$deltatoken'], ['$select'], ['$skiptoken']])
    // None of it is about somebody by name.
    const { rows } = await t.t.pool.query('select position::text from connector where id = $1', [id])
    expect(rows[0].position).not.toMatch(/rosa|iyer/i)
  })

  test('a leave date opens the window of leavers; of it and an HR row the newer word counts, and what is repeated is none', async () => {
    const policyId = await insertPolicy(t.t, 'data-theft-departing-users', 'Leavers')
    vendor.put({ ...ROSA, employeeLeaveDateTime: leaves(3).toISOString() })
    await t.pull(id)
    expect(await facts('resignation')).toMatchObject([{ withdrawn: false, last_working_at: leaves(3) }])
    await t.evaluate(policyId)
    const evaluated = await t.t.db.selectFrom('evaluation').select('active_people').execute()
    expect(evaluated).toEqual([{ active_people: 1 }])

    await hrSays(leaves(20), '')
    expect((await facts('resignation')).map(({ last_working_at }) => last_working_at)).toEqual([leaves(20)])
    // All users once more, as after 410: the directory has said this before HR said otherwise.
    vendor.forgetsBefore = Date.now() + DAY_MS
    await t.pull(id)
    expect((await facts('resignation')).map(({ last_working_at }) => last_working_at)).toEqual([leaves(20)])
    vendor.forgetsBefore = 0
    vendor.put({ ...ROSA, employeeLeaveDateTime: leaves(30).toISOString() })
    await t.pull(id)
    expect((await facts('resignation')).map(({ last_working_at }) => last_working_at)).toEqual([leaves(30)])
    // The same HR file again, but for a blank line, is no news either.
    await hrSays(leaves(20), '\n')
    expect((await facts('resignation')).map(({ last_working_at }) => last_working_at)).toEqual([leaves(30)])
    vendor.put({ ...ROSA, employeeLeaveDateTime: null })
    await t.pull(id)
    expect(await facts('resignation')).toMatchObject([{ withdrawn: true }])
  })

  test('a field that was never set takes nothing back from HR', async () => {
    await hrSays(leaves(20), '')
    vendor.put({ ...ROSA, employeeLeaveDateTime: null })
    await t.pull(id)
    expect(await facts('resignation')).toMatchObject([{ withdrawn: false, last_working_at: leaves(20) }])
  })

  test('a removed user is gone and a restored one is not; a guest is marked, and an admin’s mark stays', async () => {
    vendor.put(ROSA)
    vendor.put({ ...ROSA, id: 'guest-1', userType: 'Guest' })
    await t.pull(id)
    const kinds = () => t.t.db.selectFrom('identity').select('kind').where('kind', 'is not', null).execute()
    expect(await kinds()).toEqual([{ kind: 'guest' }])
    expect(await facts('account_deleted')).toEqual([])
    vendor.put({ id: ROSA.id, '@removed': { reason: 'changed' } })
    await t.pull(id)
    expect(await facts('account_deleted')).toMatchObject([{ withdrawn: false }])
    vendor.put(ROSA)
    await t.pull(id)
    expect(await facts('account_deleted')).toMatchObject([{ withdrawn: true }])
    await t.t.db.updateTable('identity').set({ kind: 'person' }).where('kind', '=', 'guest').execute()
    vendor.put({ ...ROSA, id: 'guest-1', userType: 'Guest', department: 'Partners' })
    await t.pull(id)
    expect(await kinds()).toEqual([{ kind: 'person' }])
  })

  test('asks for leave dates only where it may', async () => {
    vendor.roles = ['User.Read.All']
    vendor.put(ROSA)
    await expect(t.pull(id)).rejects.toMatchObject({ code: 'permission_missing' })
    const settings = JSON.stringify(
      parseSettings(config.omit({ clientSecret: true }), {
        tenantId: ENTRA_APP.tenantId,
        clientId: ENTRA_APP.clientId,
        graphUrl: vendor.url,
        loginUrl: vendor.url,
        leaveDates: false,
      }),
    )
    await t.t.db.updateTable('connector').set({ settings }).where('id', '=', id).execute()
    await t.t.db.deleteFrom('import').execute()
    expect(await t.pull(id)).toMatchObject({ stored: 1 })
  })
})
