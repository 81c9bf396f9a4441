import { createHash } from 'node:crypto'
import type { Request, RequestHandler } from 'express'
import { ipKeyGenerator, rateLimit } from 'express-rate-limit'
import { AppError } from '../domain/errors.ts'
import { operationOf } from './asked.ts'
import { matchOperation } from './contract.ts'
import { MAY } from './roles.ts'

/** A file may take as long as it flows; everything else ends in time. */
export const limitedInTime =
  (timeoutMs: number): RequestHandler =>
  (request, response, next) => {
    const found = matchOperation(request.method, request.path)
    if (found && 'operation' in found && found.operation.takes === 'file') return next()
    const timer = setTimeout(() => {
      if (response.headersSent) return
      next(
        new AppError('timeout', `no answer within ${timeoutMs} ms`, {
          fix: 'Ask again with the same Idempotency-Key.',
        }),
      )
    }, timeoutMs)
    response.on('close', () => clearTimeout(timer))
    next()
  }

const tooMany =
  (what: string): RequestHandler =>
  (_request, _response, next) => {
    next(new AppError('rate_limited', `more than ${what} in a minute`, { fix: 'Wait as long as Retry-After says.' }))
  }

const isPublic = (request: Request): boolean => MAY[operationOf(request).id] === 'public'

/** Per token, of which only the hash is kept: nobody uses up somebody else's share. */
export const limited = (perMinute: number): RequestHandler =>
  rateLimit({
    windowMs: 60_000,
    limit: perMinute,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    skip: isPublic,
    keyGenerator: (request) => {
      const token = request.get('Authorization')
      return token === undefined
        ? ipKeyGenerator(request.ip ?? '')
        : createHash('sha256').update(token).digest('base64url')
    },
    handler: tooMany(`${perMinute} requests`),
  })

/** Per address: whoever tries tokens is stopped soon. */
export const guessingLimited = (perMinute: number): RequestHandler =>
  rateLimit({
    windowMs: 60_000,
    limit: perMinute,
    standardHeaders: false,
    legacyHeaders: false,
    skip: isPublic,
    skipSuccessfulRequests: true,
    requestWasSuccessful: (_request, response) => response.statusCode !== 401,
    keyGenerator: (request) => ipKeyGenerator(request.ip ?? ''),
    handler: tooMany(`${perMinute} refused tokens`),
  })
