import type { Access } from '../access.ts'
import { isObject, type Json, text } from '../values.ts'

/** Fields of the users that are asked for. */
export const USER_FIELDS = ['Id', 'Username', 'Email', 'FederationIdentifier', 'UserType'] as const

/** What is known of a user of the organisation. *Personal*. */
export type SalesforceUser = Readonly<Record<(typeof USER_FIELDS)[number], string | undefined>>

export function userOf(record: unknown): SalesforceUser | undefined {
  if (!isObject(record) || text(record['Id']) === undefined) return undefined
  return Object.fromEntries(USER_FIELDS.map((field) => [field, text((record as Json)[field])])) as SalesforceUser
}

/** Ids that fit into one query. */
const IDS_AT_ONCE = 200
/** Addresses of users change seldom, and each look-up costs a call. */
const KEPT_MS = 86_400_000
const KEPT_AT_MOST = 100_000

export type FindUsers = (ids: readonly string[]) => Promise<SalesforceUser[]>

/** Users by their long id, looked up once a day. */
export class Users {
  readonly #now: () => number
  readonly #known = new Map<string, { user: SalesforceUser | undefined; until: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** Makes sure that whoever can be found is known. */
  async know(ids: ReadonlySet<string>, find: FindUsers): Promise<void> {
    const now = this.#now()
    const wanted = [...ids].filter((id) => !((this.#known.get(id)?.until ?? 0) > now))
    if (this.#known.size + wanted.length > KEPT_AT_MOST) this.#known.clear()
    for (let from = 0; from < wanted.length; from += IDS_AT_ONCE) {
      const some = wanted.slice(from, from + IDS_AT_ONCE)
      const found = new Map((await find(some)).map((user) => [user.Id as string, user]))
      for (const id of some) this.#known.set(id, { user: found.get(id), until: now + KEPT_MS })
    }
  }

  get(id: string | undefined): SalesforceUser | undefined {
    return id === undefined ? undefined : this.#known.get(id)?.user
  }
}

const known = new WeakMap<Access, Users>()

/** What a connector knows of its users, over its imports. In memory only. */
export function usersOf(access: Access): Users {
  const users = known.get(access) ?? new Users(() => access.now())
  known.set(access, users)
  return users
}
