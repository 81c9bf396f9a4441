import { connect, createServer, type Socket } from 'node:net'
import { listen } from '../../sandbox/listening.ts'

export interface Gateway extends AsyncDisposable {
  /** The address of the server behind it, by way of the gateway. */
  url: string
  /** Nothing gets through, and nobody is told. */
  hold(): void
  /** Every connection is cut and every new one at once. */
  shut(): void
  /** As at the beginning. */
  open(): void
}

/** Both ends stay, and nothing passes between them. */
function hold(pair: readonly [Socket, Socket]): void {
  for (const socket of pair) {
    socket.unpipe()
    socket.pause()
  }
}

/** A way to a server that can be closed like a network or a host that is away. */
export async function gatewayTo(server: string): Promise<Gateway> {
  const behind = new URL(server)
  const pairs = new Set<[Socket, Socket]>()
  let state: 'open' | 'held' | 'shut' = 'open'
  const listening = await listen(
    createServer((inner) => {
      inner.on('error', () => {})
      if (state === 'shut') return void inner.destroy()
      const outer = connect(Number(behind.port), behind.hostname)
      const pair: [Socket, Socket] = [inner, outer]
      pairs.add(pair)
      outer.on('error', () => {})
      for (const [from, to] of [pair, [outer, inner] as const]) {
        from.on('close', () => {
          pairs.delete(pair)
          to.destroy()
        })
        from.pipe(to)
      }
      if (state === 'held') hold(pair)
    }),
  )
  const url = new URL(server)
  url.port = String(listening.port)
  return {
    url: url.href,
    hold() {
      state = 'held'
      for (const pair of pairs) hold(pair)
    },
    shut() {
      state = 'shut'
      for (const pair of pairs) for (const socket of pair) socket.destroy()
    },
    open() {
      state = 'open'
      for (const [inner, outer] of pairs) {
        inner.pipe(outer)
        outer.pipe(inner)
      }
    },
    [Symbol.asyncDispose]: listening.close,
  }
}
