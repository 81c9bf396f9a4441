import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'

/** A file of 5 GiB over a slow line takes hours; everything else is ended by the API's own limit. */
const UPLOAD_WITHIN_MS = 6 * 3_600_000
const HEADERS_WITHIN_MS = 20_000
/** Requests under way get so long to end when the server closes. */
const GRACE_MS = 10_000

export interface Listening {
  url: string
  /** Takes no new requests, lets those under way end, then cuts what is left. */
  close(): Promise<void>
}

/** Serves the API. `port` 0 chooses a free one. Rejects when the port is taken. */
export async function listen(app: Express, { host = '127.0.0.1', port = 0 } = {}): Promise<Listening> {
  const server = createServer({ requestTimeout: UPLOAD_WITHIN_MS, headersTimeout: HEADERS_WITHIN_MS }, app)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const address = server.address() as AddressInfo
  return {
    url: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      const cut = setTimeout(() => server.closeAllConnections(), GRACE_MS)
      await closed
      clearTimeout(cut)
    },
  }
}
