import { createHash, timingSafeEqual } from 'node:crypto'
import type { Payload } from '@temporalio/common'
import express, { type RequestHandler, type Router } from 'express'
import { AppError } from '../domain/errors.ts'
import type { CodecOptions } from './deps.ts'

const MAX_BODY = '4mb'

/** A payload as Temporal's UI sends it: bytes in base64. */
interface WirePayload {
  metadata?: Record<string, string>
  data?: string
}

const hash = (text: string): Buffer => createHash('sha256').update(text).digest()

/**
 * Temporal's codec endpoint: `POST /codec/<capability>/decode` and `/encode`. The capability is a secret part of the
 * path, for the UI sends nothing else; a wrong one is answered like any unknown address.
 */
export function codec({ codec: payloadCodec, capability, origin }: CodecOptions): Router {
  const router = express.Router()
  const wanted = hash(capability)
  const guarded: RequestHandler<{ capability: string }> = (request, response, next) => {
    if (!timingSafeEqual(hash(request.params.capability), wanted)) throw new AppError('not_found', 'no such address')
    response.setHeader('Access-Control-Allow-Origin', origin)
    response.setHeader('Vary', 'Origin')
    response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin')
    next()
  }
  router.options('/codec/:capability/:way', guarded, (_request, response) => {
    response.setHeader('Access-Control-Allow-Methods', 'POST')
    response.setHeader('Access-Control-Allow-Headers', 'Content-Type, X-Namespace, Authorization')
    response.setHeader('Access-Control-Max-Age', '600')
    response.status(204).end()
  })
  const translate =
    (way: 'encode' | 'decode'): RequestHandler =>
    async (request, response) => {
      const { payloads } = (request.body ?? {}) as { payloads?: WirePayload[] }
      if (!Array.isArray(payloads)) {
        throw new AppError('invalid_request', 'payloads is not a list', {
          field: '/payloads',
          fix: 'Send { "payloads": [] }.',
        })
      }
      const translated = await payloadCodec[way](payloads.map(fromWire))
      response.json({ payloads: translated.map(toWire) })
    }
  const json = express.json({ limit: MAX_BODY, type: () => true })
  router.post('/codec/:capability/decode', guarded, json, translate('decode'))
  router.post('/codec/:capability/encode', guarded, json, translate('encode'))
  return router
}

const fromWire = ({ metadata, data }: WirePayload): Payload => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(String(value), 'base64')]),
  ),
  data: Buffer.from(data ?? '', 'base64'),
})

const toWire = ({ metadata, data }: Payload): WirePayload => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value ?? []).toString('base64')]),
  ),
  data: Buffer.from(data ?? []).toString('base64'),
})
