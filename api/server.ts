import { randomUUID } from 'node:crypto'
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import helmet from 'helmet'
import type { Deps } from '../activities/deps.ts'
import { AppError } from '../domain/errors.ts'
import type { OperationId } from '../openapi/generated/operations.ts'
import { type Asked, asked, of, operationOf } from './asked.ts'
import { tokenAuthenticator } from './auth.ts'
import { codec } from './codec.ts'
import { matchOperation } from './contract.ts'
import type { ApiDeps, ApiOptions } from './deps.ts'
import { docs } from './docs.ts'
import { asAppError, problemOf } from './errors.ts'
import { guessingLimited, limited, limitedInTime } from './limits.ts'
import { openBody } from './microsoft/body.ts'
import { microsoftEdge } from './microsoft/edge.ts'
import { type Performed, perform } from './perform.ts'
import { MAY, may } from './roles.ts'
import type { ArrivedFile } from './route.ts'
import { type AnyRoute, routes } from './routes.ts'
import { fitsContract, fromValidator } from './validation.ts'

const JSON_LIMIT = '256kb'
const RATE_PER_MINUTE = 1_200
/** Refused tokens per address and minute. */
const REFUSED_PER_MINUTE = 60
const REQUEST_TIMEOUT_MS = 30_000
const REQUEST_ID = /^[A-Za-z0-9_-]{8,64}$/
const KEY = /^[A-Za-z0-9._:-]{1,200}$/
const REVISION = /^"(\d{1,10})"$/
const FORM_TYPE = 'multipart/form-data'
const FILE_TYPES = ['application/octet-stream', 'text/csv', FORM_TYPE]

/**
 * The HTTP surface over what workers share. Layers in order: request id and head, docs, the operation, rate, who asks,
 * what they may, keys, body, the contract, the handler, problems.
 */
export function createApi(platform: Deps, options: ApiOptions = {}): Express {
  const deps: ApiDeps = {
    ...platform,
    ...(options.indicatorFolder ? { indicatorFolder: options.indicatorFolder } : {}),
    ...(options.presence ? { presence: options.presence } : {}),
  }
  const authenticator = options.authenticator ?? tokenAuthenticator(deps.db)
  const app = express()
  app.disable('x-powered-by')
  app.set('etag', false)
  app.use(identified(deps))
  app.use(head())
  app.use(microsoftEdge(deps, options.microsoft))
  app.use(docs())
  if (options.codec) app.use(codec(options.codec))
  app.use(limitedInTime(options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS))
  app.use(matched)
  app.use(limited(options.ratePerMinute ?? RATE_PER_MINUTE))
  app.use(guessingLimited(options.refusedPerMinute ?? REFUSED_PER_MINUTE))
  app.use(async (request, _response, next) => {
    const state = of(request)
    state.actor = MAY[operationOf(request).id] === 'public' ? null : await authenticator.authenticate(request)
    next()
  })
  app.use(permitted)
  app.use(keyed)
  app.use(bodied)
  app.use(fitsContract(options.validateResponses ?? false))
  app.use(handled(deps))
  app.use(problems(deps))
  return app
}

const identified =
  (deps: ApiDeps): RequestHandler =>
  (request, response, next) => {
    const given = request.get('X-Request-Id')
    const requestId = given !== undefined && REQUEST_ID.test(given) ? given : randomUUID()
    asked.set(request, { requestId })
    response.setHeader('X-Request-Id', requestId)
    const startedAt = performance.now()
    response.on('finish', () => {
      const { operation, actor } = of(request)
      deps.log.info(
        {
          requestId,
          operation: operation?.id ?? null,
          staff: actor?.staffId ?? null,
          status: response.statusCode,
          ms: Math.round(performance.now() - startedAt),
        },
        'request',
      )
    })
    next()
  }

const head = (): RequestHandler =>
  helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'none'"],
        'script-src': ["'self'"],
        'connect-src': ["'self'"],
        'img-src': ["'self'", 'data:'],
        // The docs page sets styles on its elements.
        'style-src': ["'self'", "'unsafe-inline'"],
        'base-uri': ["'none'"],
        'form-action': ["'none'"],
        'frame-ancestors': ["'none'"],
      },
    },
    referrerPolicy: { policy: 'no-referrer' },
  })

const matched: RequestHandler = (request, response, next) => {
  const found = matchOperation(request.method, request.path)
  if (found === null) throw new AppError('not_found', 'no such address')
  if ('allowed' in found) {
    response.setHeader('Allow', found.allowed.join(', '))
    throw new AppError('method_not_allowed', `${request.method} is no operation here`, {
      fix: `Use ${found.allowed.join(' or ')}.`,
    })
  }
  Object.assign(of(request), found)
  response.setHeader('Cache-Control', 'no-store')
  next()
}

const permitted: RequestHandler = (request, _response, next) => {
  const { operation, actor } = of(request) as Required<Asked>
  if (actor !== null && !may(actor.roles, operation.id)) {
    if (operation.ofOne) throw new AppError('not_found', 'not for these roles')
    throw new AppError('forbidden', `your roles do not include ${operation.id}`, {
      fix: 'Ask an admin for a token with a role that may.',
    })
  }
  next()
}

const keyed: RequestHandler = (request, _response, next) => {
  const { takesKey, takesRevision } = operationOf(request)
  if (takesKey && !KEY.test(request.get('Idempotency-Key') ?? '')) {
    throw new AppError(
      'idempotency_key_missing',
      'a POST takes an Idempotency-Key of 1 to 200 letters, digits, or . _ : -',
      {
        field: 'Idempotency-Key',
        fix: 'Send a new random key, such as a UUID, with each act, and the same one when you repeat it.',
      },
    )
  }
  if (takesRevision && !REVISION.test(request.get('If-Match') ?? '')) {
    throw new AppError('precondition_required', 'this change takes the revision that you read', {
      field: 'If-Match',
      fix: 'Read it first and send its ETag as If-Match.',
    })
  }
  next()
}

const json = express.json({ limit: JSON_LIMIT, strict: true })

const bodied: RequestHandler = (request, response, next) => {
  const { takes } = operationOf(request)
  const encoding = request.get('Content-Encoding') ?? 'identity'
  if (encoding !== 'identity') {
    throw new AppError('content_encoding_unsupported', `Content-Encoding ${encoding.slice(0, 20)} is not taken`, {
      field: 'Content-Encoding',
      fix: 'Send the body as it is; a gzip file is taken as a file.',
    })
  }
  if (takes === 'file' && !request.is(FILE_TYPES)) {
    throw new AppError(
      'media_type_unsupported',
      'a file comes as application/octet-stream, text/csv or multipart/form-data',
      {
        field: 'Content-Type',
      },
    )
  }
  if (takes === 'json') {
    if (!request.is('application/json')) {
      throw new AppError('media_type_unsupported', 'the body comes as application/json', { field: 'Content-Type' })
    }
    return json(request, response, next)
  }
  next()
}

function handled(deps: ApiDeps): RequestHandler {
  return async (request, response) => {
    const { operation, params, actor } = of(request) as Required<Asked>
    const route: AnyRoute = routes[operation.id as OperationId] as AnyRoute
    let body: unknown = request.body
    if (operation.takes === 'file') body = await arrivedFile(deps, request, route)
    const openapi = (request as { openapi?: { pathParams?: Record<string, unknown> } }).openapi
    const performed = await perform({
      deps,
      operation,
      route,
      params: { ...params, ...openapi?.pathParams },
      query: { ...request.query },
      body: operation.takes === 'nothing' ? undefined : body,
      actor,
      key: request.get('Idempotency-Key') ?? '',
      revision: Number(REVISION.exec(request.get('If-Match') ?? '')?.[1] ?? Number.NaN),
    })
    answer(response, performed)
  }
}

/** Puts the file that a request carries, as its body or in a form, into the spool. */
async function arrivedFile(deps: ApiDeps, request: express.Request, route: AnyRoute): Promise<ArrivedFile> {
  const { fileName, bytes } = request.is(FORM_TYPE)
    ? await openBody(request, new AbortController().signal)
    : { fileName: null, bytes: request }
  return { ...(await deps.spool.put(bytes, route.maxFileBytes?.(deps) ?? deps.maxFileBytes)), fileName }
}

function answer(response: express.Response, performed: Performed): void {
  // A request that ran out of time has been told so.
  if (response.headersSent) return
  response.status(performed.status).set(performed.headers)
  if (performed.repeated) response.setHeader('Idempotency-Replayed', 'true')
  if (performed.contentType) response.type(performed.contentType).send(performed.body as string)
  else response.json(performed.body)
}

const problems =
  (deps: ApiDeps): ErrorRequestHandler =>
  (error: unknown, request, response, _next) => {
    const state = asked.get(request)
    const failure = fromValidator(error) ?? asAppError(error)
    if (failure.status >= 500) {
      deps.log.error(
        { requestId: state?.requestId, operation: state?.operation?.id, code: failure.code, err: failure },
        'request failed',
      )
    }
    if (response.headersSent) {
      response.destroy()
      return
    }
    if (failure.code === 'unauthenticated') response.setHeader('WWW-Authenticate', 'Bearer')
    // What is left of a refused body is not read on.
    if (!request.complete && state?.operation?.takes === 'file') response.setHeader('Connection', 'close')
    response
      .status(failure.status)
      .type('application/problem+json')
      .send(JSON.stringify(problemOf(failure, state?.requestId ?? 'none')))
  }
