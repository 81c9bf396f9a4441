import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import { type Listening, listen, reset } from './listening.ts'
import { CefError, type CefFault, type CefRecord, parseCef } from './syslog/cef.ts'
import { type FrameFault, MAX_FRAME_BYTES, OctetFrames } from './syslog/framing.ts'
import { parseSyslog, SyslogError, type SyslogFault, type SyslogRecord } from './syslog/rfc5424.ts'

export { selfSignedCertificate } from './certificate.ts'

export interface ReceivedSyslog extends SyslogRecord {
  at: Date
  /** Counts connections from 1. */
  connection: number
  /** The frame without its length. */
  raw: Buffer
  /** Where the message begins with `CEF:`. */
  cef: CefRecord | null
}

export interface SyslogProblem {
  at: Date
  connection: number
  code: FrameFault | SyslogFault | CefFault | 'tls_handshake_failed'
  /** Byte offset, or the header field or key of the CEF record. Never a value. */
  where: string
}

export interface SyslogReceiverOptions {
  /** Serve TLS 1.2 or newer (RFC 5425). PEM. */
  tls?: { key: string; cert: string }
  /** Default 0: a free one. */
  port?: number
  /** Longest frame. Default 64 KiB. */
  maxFrameBytes?: number
  /** Called with each well-formed message as it comes. */
  keep?: (message: ReceivedSyslog) => void
}

export interface SyslogReceiver extends AsyncDisposable {
  /** Stays the same through refuse and accept. */
  port: number
  /** Well-formed messages in the order of arrival. A message sent twice is here twice: syslog has no ids. */
  messages: ReceivedSyslog[]
  /** Everything that was not to the letter. A bad frame ends its connection; a bad message does not. */
  errors: SyslogProblem[]
  /** Accepted so far, with those that have ended. */
  connections: number
  /** Resets every open connection; what was sent and not read yet is lost. */
  dropConnections(): void
  /** Takes this many more bytes over all connections, then resets the one they came by: mostly inside a frame. */
  dropAfterBytes(count: number): void
  /** Stops reading, so that the sender's buffers fill up. New connections are accepted and not read. */
  pause(): void
  resume(): void
  /** Ends all connections and stops listening: the next connect is refused. */
  refuse(): Promise<void>
  /** Listens again on the same port. */
  accept(): Promise<void>
  /** Shows another certificate to whoever connects from now on. Throws where it is no TLS receiver. */
  setCertificate(pair: { key: string; cert: string }): void
  close(): Promise<void>
}

/**
 * A strict syslog receiver over TCP or TLS: RFC 5424 messages, octet counting, CEF inside. It acknowledges nothing, for
 * syslog knows no acknowledgement.
 */
export async function startSyslogReceiver(options: SyslogReceiverOptions = {}): Promise<SyslogReceiver> {
  let paused = false
  let bytesLeft = Number.POSITIVE_INFINITY
  let secure: TlsServer | undefined
  let certificate = options.tls
  const open = new Set<Socket>()

  function take(socket: Socket): void {
    const connection = ++receiver.connections
    const frames = new OctetFrames(options.maxFrameBytes ?? MAX_FRAME_BYTES)
    open.add(socket)
    socket.on('error', () => {}) // a reset by the other side; 'close' follows
    socket.once('close', () => open.delete(socket))
    socket.on('data', (bytes: Buffer) => {
      const cut = bytes.length >= bytesLeft
      const taken = cut ? bytes.subarray(0, bytesLeft) : bytes
      bytesLeft = cut ? Number.POSITIVE_INFINITY : bytesLeft - taken.length
      const { frames: whole, fault } = frames.push(taken)
      for (const frame of whole) record(frame, connection)
      if (cut) reset(socket)
      else if (fault !== undefined) {
        problem(connection, fault, 'frame')
        socket.destroy()
      }
    })
    socket.once('end', () => {
      const fault = frames.end()
      if (fault !== undefined) problem(connection, fault, 'frame')
    })
    if (paused) socket.pause()
  }

  function record(raw: Buffer, connection: number): void {
    try {
      const parsed = parseSyslog(raw)
      const cef = parsed.message?.startsWith('CEF:') ? parseCef(parsed.message) : null
      const message = { ...parsed, at: new Date(), connection, raw, cef }
      options.keep?.(message)
      receiver.messages.push(message)
    } catch (error) {
      if (error instanceof SyslogError) problem(connection, error.code, `byte ${error.offset}`)
      else if (error instanceof CefError) problem(connection, error.code, error.where)
      else throw error
    }
  }

  function problem(connection: number, code: SyslogProblem['code'], where: string): void {
    receiver.errors.push({ at: new Date(), connection, code, where })
  }

  function newServer(): Server {
    if (certificate === undefined) return createServer({ noDelay: true }, take)
    secure = createTlsServer({ ...certificate, minVersion: 'TLSv1.2' }, take)
    secure.on('tlsClientError', () => problem(receiver.connections, 'tls_handshake_failed', 'handshake'))
    return secure
  }

  let listening: Listening | undefined = await listen(newServer(), options.port)
  const stop = async () => {
    const last = listening
    listening = undefined
    await last?.close()
  }
  const receiver: SyslogReceiver = {
    port: listening.port,
    messages: [],
    errors: [],
    connections: 0,
    dropConnections() {
      for (const socket of open) reset(socket)
    },
    dropAfterBytes(count) {
      if (!(count >= 0)) throw new RangeError(`dropAfterBytes: count must be at least 0, got ${count}`)
      bytesLeft = count
    },
    pause() {
      paused = true
      for (const socket of open) socket.pause()
    },
    resume() {
      paused = false
      for (const socket of open) socket.resume()
    },
    refuse: stop,
    async accept() {
      listening ??= await listen(newServer(), receiver.port)
    },
    setCertificate(pair) {
      if (secure === undefined) throw new TypeError('setCertificate: this receiver does not serve TLS')
      certificate = pair
      secure.setSecureContext(pair)
    },
    close: stop,
    [Symbol.asyncDispose]: stop,
  }
  return receiver
}
