import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** Stand-ins are reachable from this machine only. */
export const LOOPBACK = '127.0.0.1'

export interface Listening {
  port: number
  /** Open connections, oldest first. */
  sockets: ReadonlySet<Socket>
  /** Stops listening and ends every open connection. Safe to call twice. */
  close(): Promise<void>
}

/** Starts any node server on 127.0.0.1. Port 0 picks a free one. Rejects with the system's error, e.g. EADDRINUSE. */
export async function listen(server: NetServer, port = 0): Promise<Listening> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, LOOPBACK, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** Ends a connection as abruptly as can be: RST on TCP; on TLS the stream stops without its close_notify. */
export function reset(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy()
  else socket.resetAndDestroy()
}
