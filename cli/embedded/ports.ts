import { createServer } from 'node:net'

export interface ChosenPort {
  port: number
  /** True when the preferred one was taken and another was chosen. */
  preferredTaken: boolean
}

/** The preferred port of 127.0.0.1, or a free one when it is taken. */
export async function freePort(preferred = 0): Promise<ChosenPort> {
  const port = (preferred > 0 ? await tryListen(preferred) : null) ?? (await tryListen(0))
  if (port === null) throw new Error('no free port on 127.0.0.1')
  return { port, preferredTaken: preferred > 0 && port !== preferred }
}

const tryListen = (port: number): Promise<number | null> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(null))
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : null))
    })
  })
