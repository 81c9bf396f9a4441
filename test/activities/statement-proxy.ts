import net from 'node:net'

/** A statement as the server saw it go by. */
export interface SeenStatement {
  /** The first words of its text; of a copy's data `COPY DATA`. */
  text: string
  /** Nothing was open afterwards: what it did is there to stay. */
  endsIdle: boolean
}

/** Where the line breaks: before the n-th statement reaches the server, or after it ended and before its answer. */
export interface Break {
  at: number
  when: 'before' | 'after'
}

export interface StatementProxy extends AsyncDisposable {
  url: string
  /** Counts statements anew and, with a break, cuts every connection there; further ones go through. */
  arm(at?: Break): void
  /** Since the last `arm`, in order. */
  readonly seen: readonly SeenStatement[]
  /** The break came to pass. */
  readonly broken: boolean
}

/** Messages of the frontend that begin a statement: simple query, parse (of an extended one), end of a copy's data. */
const BEGINS = { Q: 0x51, P: 0x50, c: 0x63 }
const READY_FOR_QUERY = 0x5a
const IDLE = 0x49

/** A wire between clients and a PostgreSQL server that knows statements apart and breaks where it is told to. */
export async function startStatementProxy(serverUrl: string): Promise<StatementProxy> {
  const target = new URL(serverUrl)
  const lines = new Set<net.Socket>()
  let seen: SeenStatement[] = []
  let planned: Break | undefined
  let broken = false

  const cut = () => {
    broken = true
    planned = undefined
    for (const socket of lines) socket.destroy()
  }

  const server = net.createServer((client) => {
    const upstream = net.connect(Number(target.port), target.hostname)
    for (const socket of [client, upstream]) {
      lines.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        lines.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    let current: { statement: SeenStatement; last: boolean } | undefined
    const fromClient = messages({ startsBare: true }, (message, type) => {
      if (client.destroyed) return
      if (type === BEGINS.Q || type === BEGINS.P || type === BEGINS.c) {
        const number = seen.length + 1
        if (planned?.when === 'before' && planned.at === number) return cut()
        const statement = { text: textOf(message, type), endsIdle: false }
        seen.push(statement)
        current = { statement, last: planned?.when === 'after' && planned.at === number }
      }
      upstream.write(message)
    })
    const fromServer = messages({ startsBare: false }, (message, type) => {
      if (client.destroyed) return
      if (type === READY_FOR_QUERY && current) {
        current.statement.endsIdle = message[5] === IDLE
        if (current.last) return cut()
      }
      client.write(message)
    })
    client.on('data', fromClient)
    upstream.on('data', fromServer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(serverUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as net.AddressInfo).port)
  return {
    url: url.href,
    arm(at) {
      seen = []
      planned = at
      broken = false
    },
    get seen() {
      return seen
    },
    get broken() {
      return broken
    },
    async [Symbol.asyncDispose]() {
      for (const socket of lines) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Cuts a stream into the protocol's messages; a client's first one has no type. */
function messages({ startsBare }: { startsBare: boolean }, each: (message: Buffer, type: number) => void) {
  let bare = startsBare
  let rest: Buffer = Buffer.alloc(0)
  return (data: Buffer) => {
    rest = rest.length === 0 ? data : Buffer.concat([rest, data])
    for (;;) {
      const head = bare ? 0 : 1
      if (rest.length < head + 4) return
      const length = head + rest.readUInt32BE(head)
      if (rest.length < length) return
      const message = rest.subarray(0, length)
      rest = rest.subarray(length)
      each(message, bare ? 0 : (message[0] as number))
      bare = false
    }
  }
}

function textOf(message: Buffer, type: number): string {
  if (type === BEGINS.c) return 'COPY DATA'
  // A parse begins with the (empty) name of the prepared statement.
  const from = type === BEGINS.P ? message.indexOf(0, 5) + 1 : 5
  return message.subarray(from, message.indexOf(0, from)).toString().replaceAll(/\s+/g, ' ').trim().slice(0, 60)
}
