import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

export interface ReceivedMessage {
  id: string
  /** The parsed body. */
  body: { type: string; timestamp: string; data: Record<string, unknown> & { sequence: number } }
}

export interface WebhookReceiver extends AsyncDisposable {
  url: string
  /** Verified messages in the order of arrival, each id once. */
  messages: ReceivedMessage[]
  /** How often an id came again. */
  repeats: number
  /** Requests whose signature did not verify. */
  forged: number
  /** The next requests are answered so instead of 204; `cut` takes the message and drops the line before an answer. */
  answer(next: { times: number; status: number; headers?: Record<string, string> } | { times: number; cut: true }): void
}

/** A receiver as its guide describes it: verifies over the raw body, dedupes by id, answers 204. */
export async function startWebhookReceiver({ secret }: { secret: string }): Promise<WebhookReceiver> {
  const verifier = new Webhook(secret)
  const answers: ({ times: number } & ({ status: number; headers?: Record<string, string> } | { cut: true }))[] = []
  const seen = new Set<string>()
  const receiver: WebhookReceiver = {
    url: '',
    messages: [],
    repeats: 0,
    forged: 0,
    answer: (next) => void answers.push(next),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const raw = Buffer.concat(pieces).toString()
      let body: ReceivedMessage['body']
      try {
        body = verifier.verify(raw, request.headers as Record<string, string>) as ReceivedMessage['body']
      } catch {
        receiver.forged += 1
        return void response.writeHead(401).end()
      }
      const next = answers.find(({ times }) => times > 0)
      if (next) next.times -= 1
      if (next && 'status' in next) return void response.writeHead(next.status, next.headers).end()
      const id = String(request.headers['webhook-id'])
      if (seen.has(id)) receiver.repeats += 1
      else {
        seen.add(id)
        receiver.messages.push({ id, body })
      }
      if (next) return void request.socket.destroy()
      response.writeHead(204).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  return receiver
}
