import { request as httpsRequest } from 'node:https'
import { Webhook } from 'standardwebhooks'
import { afterEach, expect, test } from 'vitest'
import { selfSignedCertificate } from './certificate.ts'
import { throttled } from './faults.ts'
import { MAX_WEBHOOK_BYTES, newSecret, startWebhookReceiver, type WebhookReceiver } from './webhook-receiver.ts'

let receiver: WebhookReceiver
afterEach(() => receiver.close())

const TEXT = JSON.stringify({
  type: 'insider_risk.alert.created',
  timestamp: '2026-11-20T09:10:41Z',
  data: { sequence: 1 },
})

function signed(id: string, body: string | Buffer = TEXT, secret = receiver.secret, at = new Date()) {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  }
}

const send = async (headers: Record<string, string>, body: string | Buffer = TEXT, method = 'POST') => {
  const response = await fetch(receiver.url, { method, headers, ...(method === 'POST' ? { body } : {}) })
  await response.arrayBuffer()
  return response.status
}

test('a message is verified, kept and counted once however often it comes', async () => {
  receiver = await startWebhookReceiver()
  expect([await send(signed('msg_1')), await send(signed('msg_2')), await send(signed('msg_1'))]).toEqual([
    204, 204, 204,
  ])
  expect(receiver.messages.map(({ id, repeats }) => [id, repeats])).toEqual([
    ['msg_1', 1],
    ['msg_2', 0],
  ])
  expect(receiver.messages[0]).toMatchObject({ type: 'insider_risk.alert.created', body: { data: { sequence: 1 } } })
  expect(receiver.messages[0]?.raw.toString()).toBe(TEXT)
  expect([receiver.repeats, receiver.forged, receiver.attempts.length]).toEqual([1, 0, 3])
})

test('what does not verify is turned away with its reason, and nothing of it is kept', async () => {
  receiver = await startWebhookReceiver()
  const old = new Date(Date.now() - 6 * 60_000)
  const { 'webhook-signature': _, ...unsigned } = signed('msg_1')
  const broken = Buffer.concat([Buffer.from(TEXT), Buffer.from([0xff])])
  const statuses = [
    await send(signed('msg_1', TEXT, newSecret())),
    await send(signed('msg_1'), `${TEXT} `), // one byte more than was signed
    await send({ ...signed('msg_1'), 'webhook-id': 'msg_2' }),
    await send(signed('msg_1', TEXT, receiver.secret, old)),
    await send(unsigned),
    await send(signed('msg.1')),
    await send(signed('msg_1', 'no json'), 'no json'),
    await send(signed('msg_1', '{"type":7}'), '{"type":7}'),
    await send(signed('msg_1', broken), broken),
    await send(signed('msg_1'), 'x'.repeat(MAX_WEBHOOK_BYTES + 1)),
    await send({}, '', 'GET'),
  ]
  expect(statuses).toEqual([401, 401, 401, 401, 400, 400, 400, 400, 400, 413, 405])
  expect(receiver.attempts.map(({ rejection }) => rejection)).toEqual([
    'not_verified',
    'not_verified',
    'not_verified',
    'not_verified',
    'header_missing',
    'id_invalid',
    'body_not_json',
    'body_not_json',
    'body_not_utf8',
    'body_too_large',
    'method_not_post',
  ])
  expect([receiver.messages, receiver.forged]).toEqual([[], 11])
})

test('an id under which another body comes is refused', async () => {
  receiver = await startWebhookReceiver()
  const other = TEXT.replace('"sequence":1', '"sequence":2')
  expect([await send(signed('msg_1')), await send(signed('msg_1', other), other)]).toEqual([204, 409])
  expect(receiver.attempts.at(-1)?.rejection).toBe('body_changed')
  expect(receiver.messages.map(({ body }) => body.data.sequence)).toEqual([1])
})

test('both secrets of a rotation verify, and so does a list of signatures', async () => {
  const [before, after] = [newSecret(), newSecret()]
  receiver = await startWebhookReceiver({ secret: [before, after] })
  const headers = signed('msg_2', TEXT, before)
  const list = `v1a,AAAA ${signed('msg_2', TEXT, newSecret())['webhook-signature']} ${headers['webhook-signature']}`
  expect(await send(signed('msg_1', TEXT, after))).toBe(204)
  expect(await send({ ...headers, 'webhook-signature': list })).toBe(204)
})

test('a throttled, a refused and a lost delivery: the last one was taken all the same', async () => {
  receiver = await startWebhookReceiver()
  receiver.faults.next(throttled(2))
  receiver.faults.next({ status: 410 })
  receiver.answer({ times: 1, cut: true })
  const response = await fetch(receiver.url, { method: 'POST', headers: signed('msg_1'), body: TEXT })
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, '2'])
  expect(await send(signed('msg_1'))).toBe(410)
  expect(receiver.messages).toEqual([])
  await expect(send(signed('msg_1'))).rejects.toThrow()
  expect(receiver.messages.map(({ id }) => id)).toEqual(['msg_1'])
  expect(await send(signed('msg_1'))).toBe(204)
  expect([receiver.repeats, receiver.attempts.map(({ status }) => status)]).toEqual([1, [429, 410, null, 204]])
})

test('over https with a certificate that the sender was given', async () => {
  const tls = selfSignedCertificate()
  receiver = await startWebhookReceiver({ tls })
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpsRequest(
      receiver.url,
      { method: 'POST', headers: signed('msg_1'), ca: tls.cert },
      (response) => {
        response.resume()
        resolve(response.statusCode)
      },
    )
    request.once('error', reject)
    request.end(TEXT)
  })
  expect([status, receiver.messages.length]).toEqual([204, 1])
  receiver.faults.next({ reset: true, handled: true })
  await expect(fetch(receiver.url, { method: 'POST', body: TEXT })).rejects.toThrow() // does not trust it
})
