import type { ReadInput } from '../connector.ts'
import { linkWithin, openHttp } from '../http/client.ts'
import type { Explain, Fixes } from '../http/refusal.ts'
import { signInAtEntra } from '../microsoft/sign-in.ts'
import { list, object, text } from '../values.ts'
import type { GraphUsersConfig } from './config.ts'

export interface UsersPage {
  users: unknown[]
  /** Where the next page of this round is; null on its last one. */
  next: string | null
  /** Where the next round begins; on the last page alone. */
  delta: string | null
}

export interface Directory {
  /** The first page of all users, from which on changes are told. */
  begin(): Promise<UsersPage>
  goOn(link: string): Promise<UsersPage>
  /** False for a link of another cloud: the address in the settings was changed since. */
  isOwn(link: string): boolean
  /** Some user, to see whether they may be read. */
  probe(): Promise<number>
}

/** What is asked of a user and nothing else. Source: https://learn.microsoft.com/graph/api/resources/user */
const FIELDS = [
  'id',
  'userPrincipalName',
  'mail',
  'proxyAddresses',
  'employeeId',
  'onPremisesSamAccountName',
  'givenName',
  'surname',
  'department',
  'manager',
  'userType',
  'accountEnabled',
]

const DOING = 'reading the directory'

/** Users and their changes. Source: https://learn.microsoft.com/graph/delta-query-users */
export function openDirectory({
  config,
  access,
  signal,
}: Pick<ReadInput<GraphUsersConfig>, 'config' | 'access' | 'signal'>): Directory {
  const { graphUrl: base, leaveDates } = config
  const http = openHttp({
    access,
    signal,
    base,
    signIn: signInAtEntra({ ...config, resource: base }),
    explain,
    fixes: FIXES,
  })
  const ask = async (to: string, query: Record<string, string> = {}): Promise<UsersPage> => {
    const { body } = await http.json({
      doing: DOING,
      to,
      query,
      expects: { what: 'a page of users', holds: (page) => Array.isArray(object(page)['value']) },
    })
    const link = (name: string) => {
      const found = text(object(body)[name])
      return found === undefined ? null : linkWithin(base, found, DOING)
    }
    return { users: list(object(body)['value']), next: link('@odata.nextLink'), delta: link('@odata.deltaLink') }
  }
  const $select = [...FIELDS, ...(leaveDates ? ['employeeLeaveDateTime'] : [])].join(',')
  return {
    begin: () => ask('v1.0/users/delta', { $select }),
    goOn: (link) => ask(link),
    isOwn: (link) => new URL(link).origin === new URL(base).origin,
    probe: async () => (await ask('v1.0/users', { $select: 'id', $top: '1' })).users.length,
  }
}

/** https://learn.microsoft.com/graph/errors */
const explain: Explain = (body) => {
  const reason = text(object(object(body)['error'])['code'])
  return reason === undefined ? {} : { reason }
}

const FIXES: Fixes = {
  permission_missing:
    'Give the app the application permission User.Read.All of Microsoft Graph, and User-LifeCycleInfo.Read.All for leave dates, and grant admin consent; it may take minutes to hold.',
}
