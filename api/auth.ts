import type { Request } from 'express'
import type { Database } from '../db/connection.ts'
import { type SignedIn, signInByToken } from '../db/staff.ts'
import { AppError } from '../domain/errors.ts'

/** Who asks. */
export type Actor = SignedIn

/** Finds out who a request comes from. Throws unauthenticated; says nothing of why. */
export interface Authenticator {
  authenticate(request: Request): Promise<Actor>
}

const BEARER = /^Bearer ([A-Za-z0-9._~+/=-]{1,4096})$/i

/** Bearer tokens out of the database: hashed, expiring, revocable. */
export const tokenAuthenticator = (db: Database): Authenticator => ({
  async authenticate(request) {
    const secret = BEARER.exec(request.headers.authorization ?? '')?.[1]
    const actor = secret === undefined ? null : await signInByToken(db, secret)
    if (!actor) {
      throw new AppError('unauthenticated', 'the request carries no valid token', {
        field: 'Authorization',
        fix: 'Send `Authorization: Bearer <token>` with a token that has not expired and was not revoked.',
      })
    }
    return actor
  },
})
