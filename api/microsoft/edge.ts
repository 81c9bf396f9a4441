import { STATUS_CODES } from 'node:http'
import type { Request, RequestHandler, Response } from 'express'
import { findUploadTarget, isUploadOn, noteUpload } from '../../db/microsoft-uploads.ts'
import { AppError, isAppError } from '../../domain/errors.ts'
import type { ApiDeps } from '../deps.ts'
import { asAppError } from '../errors.ts'
import { type Place, placeOf } from './addresses.ts'
import { readToken } from './bearer.ts'
import { drained } from './body.ts'
import { Refusals } from './refusals.ts'
import { answerToken, readForm, refusal } from './token.ts'
import { takeUpload, targetOf } from './upload.ts'

export interface EdgeOptions {
  /** A body that has not arrived within this is given up. The scripts wait for 400 s. */
  bodyWithinMs?: number
  /** Of an upload at most. */
  maxBytes?: number
  /** How long a run of blocks waits for the next one. */
  quietMs?: number
  /** The same where the last record goes on in the next block. */
  cutMs?: number
  /** Uploads at the same time at most. */
  atOnce?: number
  /** Refused secrets per address, client id and minute at most. */
  refusedPerMinute?: number
}

const BODY_WITHIN_MS = 15 * 60_000
/** The scripts try again after 60 s; most of the time the next block follows within seconds. */
const QUIET_MS = 120_000
/** 15 tries, 60 s apart, and some more. */
const CUT_MS = 20 * 60_000
const AT_ONCE = 100
const REFUSED_PER_MINUTE = 60

/**
 * The addresses of Microsoft's upload scripts, with bodies and errors of their own. What a script cannot bear is kept
 * from it: no connection is dropped and nothing redirected; a body is read to its end before it is refused; an answer
 * other than 2xx means that nothing of the upload can be used, or that the same bytes are welcome again.
 * How blocks become files: docs/decisions/009-blocks-of-uploads.md.
 */
export function microsoftEdge(deps: ApiDeps, options: EdgeOptions = {}): RequestHandler {
  const refused = new Refusals(options.refusedPerMinute ?? REFUSED_PER_MINUTE)
  /** SHA-256 of the uploads that were read before they were refused. */
  const refusedBytes = new WeakMap<Request, string>()
  let underWay = 0

  return async (request, response, next) => {
    const place = placeOf(request.url)
    if (place === null) return next()
    const { signal: late, inTime } = tooSlowAfter(options.bodyWithinMs ?? BODY_WITHIN_MS)
    response.setHeader('Cache-Control', 'no-store')
    underWay += 1
    try {
      if (!(await isUploadOn(deps.db))) return next()
      if (request.method !== 'POST') throw new AppError('method_not_allowed', 'the upload scripts send POST')
      if (underWay > (options.atOnce ?? AT_ONCE)) throw new AppError('source_throttled', 'too many uploads at once')
      if (place.kind === 'token') await token(request, response, place, late)
      else await upload(request, response, place, late)
    } catch (error) {
      await refuse(request, response, error, late)
    } finally {
      underWay -= 1
      inTime()
    }
  }

  async function token(
    request: Request,
    response: Response,
    { tenant }: Place & { kind: 'token' },
    late: AbortSignal,
  ): Promise<void> {
    const form = await readForm(request, late)
    const key = `${request.ip} ${form.get('client_id') ?? ''}`
    if (refused.isFull(key)) return send(response, refusal('too_many'))
    const { clientId, ...answer } = await answerToken(deps, tenant, form)
    if (answer.status !== 200) refused.add(key)
    send(response, answer)
  }

  async function upload(
    request: Request,
    response: Response,
    { takes }: Place & { kind: 'upload' },
    late: AbortSignal,
  ): Promise<void> {
    const connector = await targetOf(deps, request, takes)
    const receipt = await takeUpload(deps, connector, request, late, {
      maxBytes: options.maxBytes ?? deps.maxFileBytes,
      patience: { quietMs: options.quietMs ?? QUIET_MS, cutMs: options.cutMs ?? CUT_MS },
      onRead: (sha256) => refusedBytes.set(request, sha256),
    })
    send(response, { status: 200, body: { ...receipt } })
  }

  async function refuse(request: Request, response: Response, error: unknown, late: AbortSignal): Promise<void> {
    const failure = inWordsOfTheEdge(error)
    if (!(await drained(request, late))) response.setHeader('Connection', 'close')
    await note(request, failure)
    if (response.headersSent || request.socket.destroyed) return
    // HTTP/1.1's reason phrase is the first thing that a script prints.
    response.statusMessage = phrase(failure)
    if (failure.code === 'unauthenticated') response.setHeader('WWW-Authenticate', 'Bearer')
    if (failure.code === 'method_not_allowed') response.setHeader('Allow', 'POST')
    send(response, {
      status: failure.status,
      body: { error: failure.code, message: failure.message, ...(failure.fix ? { fix: failure.fix } : {}) },
    })
  }

  /** A script repeats the same bytes 15 times: of each connector, fault and upload one line in the log. */
  async function note(request: Request, failure: AppError): Promise<void> {
    try {
      const secretId = readToken(deps.vault, request.headers.authorization, Date.now())
      const connector = secretId === null ? undefined : await findUploadTarget(deps.db, secretId)
      const about = { connector: connector?.id ?? null, code: failure.code }
      const line = { ...about, status: failure.status, err: failure.status >= 500 ? failure : undefined }
      if (refused.isNews(`${about.connector} ${failure.code} ${refusedBytes.get(request) ?? ''}`))
        deps.log.warn(line, 'upload refused')
      else deps.log.debug(line, 'upload refused again')
      if (connector) await noteUpload(deps.db, connector.id, failure.code)
    } catch (error) {
      deps.log.warn({ err: error }, 'a refused upload could not be noted')
    }
  }
}

/** `inTime` puts the clock away. */
function tooSlowAfter(milliseconds: number): { signal: AbortSignal; inTime: () => void } {
  const late = new AbortController()
  const reason = new AppError('body_too_slow', 'the upload did not arrive in time', {
    fix: 'Send smaller blocks, or look for what slows the line.',
  })
  const timer = setTimeout(() => late.abort(reason), milliseconds)
  return { signal: late.signal, inTime: () => clearTimeout(timer) }
}

/** 503 is what a script tries again; everything that somebody has to mend keeps its own status. */
function inWordsOfTheEdge(error: unknown): AppError {
  const failure = asAppError(error)
  const passes = failure.status >= 500 || failure.code === 'request_in_progress'
  if (!passes) return failure
  return new AppError('source_throttled', 'temporary trouble on our side', {
    cause: isAppError(error) ? error : failure,
    fix: 'Nothing was lost: send it again in a minute.',
  })
}

const phrase = (failure: AppError): string =>
  failure.message.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200) || (STATUS_CODES[failure.status] ?? 'Refused')

function send(response: Response, { status, body }: { status: number; body: Record<string, unknown> }): void {
  response.status(status).set('Content-Type', 'application/json; charset=utf-8').send(JSON.stringify(body))
}
