import type { AddressInfo } from 'node:net'
import type { ApiOptions } from '../../api/deps.ts'
import { createApi } from '../../api/server.ts'
import { createStaff, createToken, type Role } from '../../db/staff.ts'
import { type Answer, type Ask, caller, type Requests } from '../harness/caller.ts'
import { type World, type WorldOptions, world } from '../harness/world.ts'

export type { Answer, Ask }

export interface Caller extends Requests {
  staffId: string
  tokenId: string
  token: string
}

export interface Api extends AsyncDisposable {
  w: World
  /** Base address, without /v1. */
  url: string
  /** Somebody new with these roles. */
  as(...roles: Role[]): Promise<Caller>
  /** With whatever token, or none. */
  with(token: string | null): Requests
}

/** The API over real HTTP, its answers held against the contract, with a database and workers of its own. */
export async function api(
  options: ApiOptions & { workers?: boolean } & Pick<WorldOptions, 'log' | 'temporalAddress'> = {},
): Promise<Api> {
  const { workers = false, log, temporalAddress, ...rest } = options
  const w = await world({
    ...(workers ? {} : { queues: [] }),
    ...(log ? { log } : {}),
    ...(temporalAddress ? { temporalAddress } : {}),
  })
  const server = createApi(w.deps, {
    validateResponses: true,
    ratePerMinute: 100_000,
    refusedPerMinute: 100_000,
    ...rest,
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    w,
    url,
    with: (token) => caller(url, token),
    async as(...roles) {
      const staffId = await createStaff(w.t.db, { name: roles.join(' and '), roles })
      const { tokenId, secret } = await createToken(w.t.db, { staffId, label: 'test', expiresInDays: 1 })
      return { staffId, tokenId, token: secret, ...caller(url, secret) }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await w[Symbol.asyncDispose]()
    },
  }
}
