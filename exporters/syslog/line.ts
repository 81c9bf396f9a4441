import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls } from 'node:tls'
import { guardedLookup, isPrivateLiteral, PRIVATE_ADDRESS } from '../addresses.ts'
import { portOf, type SyslogConfig } from './settings.ts'

export interface LineLimits {
  /** Name, connection and handshake together. */
  connectMs: number
  /** How long a write may wait for the receiver to take bytes. */
  writeMs: number
  /** How long the receiver has to close its half after we closed ours. */
  finishMs: number
}

export const LINE_LIMITS: LineLimits = { connectMs: 10_000, writeMs: 20_000, finishMs: 5_000 }

/**
 * After the last write the line is watched for twice the time that connecting took (within these bounds), before our
 * half is closed: a receiver that was already gone shows by a reset or an end within one round trip, and its end is
 * not to be taken for an answer to ours.
 */
const SETTLE_MS = { least: 2, most: 500 }
/**
 * And for so many turns of the event loop: a process that was held up for the whole time comes to its timers before it
 * reads what arrived meanwhile.
 */
const SETTLE_TURNS = 10

/** Why a line is broken, by code; a class of its own so that nothing has to be read from a text. */
export class LineBroken extends Error {
  readonly code: string
  constructor(code: string) {
    super(`the line to the receiver is broken: ${code}`)
    this.name = 'LineBroken'
    this.code = code
  }
}

/** One connection. Once broken it stays so: every later call rejects with the first cause. */
export interface Line {
  /** Resolves when the kernel has taken all bytes and the receiver has not closed. Rejects with LineBroken. */
  write(text: string): Promise<void>
  /**
   * Closes our half (close_notify under TLS, then FIN) and waits for the receiver's. `ended`: it closed after us and
   * without a reset, which it can only do when it has read everything before our end. `silent`: it did not close in
   * time. Rejects with LineBroken. Nothing can be written any more.
   */
  finish(): Promise<'ended' | 'silent'>
  /** Drops the line at once. */
  destroy(): void
}

/** Connects, handshake included. Rejects with LineBroken. */
export async function openLine(
  config: SyslogConfig,
  allowPrivateAddresses: boolean,
  limits = LINE_LIMITS,
): Promise<Line> {
  if (!allowPrivateAddresses && isPrivateLiteral(config.host)) throw new LineBroken(PRIVATE_ADDRESS)
  const started = performance.now()
  const socket = dial(config, allowPrivateAddresses)
  let broken: LineBroken | undefined
  let wake: (() => void) | undefined
  let ourEnd = false
  let theirEnd = false
  const breakWith = (code: string): void => {
    broken ??= new LineBroken(code)
    wake?.()
  }
  socket.on('error', (error: NodeJS.ErrnoException) => breakWith(error.code ?? 'connection_failed'))
  socket.on('end', () => {
    if (!ourEnd) return breakWith('closed_by_receiver')
    theirEnd = true
  })
  // The end of both halves; only now is it certain that no reset comes after the receiver's end.
  socket.on('close', () => (theirEnd ? wake?.() : breakWith('closed_by_receiver')))
  // A syslog receiver has nothing to say; without reading, its end would go unnoticed.
  socket.resume()

  /** Waits for `done` or the first sign of breakage; after `limitMs` breaks with `lateCode`, or is done if that is null. */
  function whole(limitMs: number, lateCode: string | null, start: (done: () => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (broken) return reject(broken)
      const done = () => {
        clearTimeout(clock)
        wake = undefined
        if (broken) reject(broken)
        else resolve()
      }
      const clock = setTimeout(() => {
        if (lateCode === null) return done()
        breakWith(lateCode)
        socket.destroy()
      }, limitMs)
      wake = done
      start(done)
    })
  }

  try {
    await whole(limits.connectMs, 'connect_timeout', (done) => {
      socket.once(config.transport === 'tls' ? 'secureConnect' : 'connect', done)
    })
  } catch (error) {
    socket.destroy()
    throw error
  }
  const settleMs = Math.min(Math.max(2 * (performance.now() - started), SETTLE_MS.least), SETTLE_MS.most)

  return {
    write: (text) =>
      whole(limits.writeMs, 'write_timeout', (done) => {
        socket.write(text, (error) => {
          // The callback comes before the error event.
          if (error) breakWith((error as NodeJS.ErrnoException).code ?? 'connection_failed')
          done()
        })
      }),
    async finish() {
      await whole(settleMs, null, () => {})
      await whole(limits.finishMs, null, (done) => afterTurns(SETTLE_TURNS, done))
      ourEnd = true
      await whole(limits.finishMs, null, () => socket.end())
      socket.destroy()
      return theirEnd ? 'ended' : 'silent'
    },
    destroy: () => {
      socket.destroy()
    },
  }
}

function afterTurns(turns: number, done: () => void): void {
  setImmediate(() => (turns > 1 ? afterTurns(turns - 1, done) : done()))
}

function dial(config: SyslogConfig, allowPrivateAddresses: boolean): Socket {
  const to = {
    host: config.host,
    port: portOf(config),
    noDelay: true,
    ...(allowPrivateAddresses ? {} : { lookup: guardedLookup }),
  }
  if (config.transport === 'tcp') return connectTcp(to)
  const name = config.serverName ?? config.host
  return connectTls({
    ...to,
    minVersion: 'TLSv1.2',
    // An address is not sent (RFC 6066 §3), only checked.
    ...(isIP(name) === 0 ? { servername: name } : {}),
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    ...(config.caCertificate ? { ca: config.caCertificate } : {}),
    ...(config.clientCertificate ? { cert: config.clientCertificate, key: config.clientKey } : {}),
  })
}
