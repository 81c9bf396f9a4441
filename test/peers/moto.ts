import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export const MOTO_VERSION = '5.2.5'
const START_LIMIT_MS = 45_000
const TRY_EVERY_MS = 100

const HOW_TO_INSTALL = `The S3 peer tests need moto ${MOTO_VERSION}, an S3 server from the Python Package Index. Either

  python3 -m pip install "moto[server]==${MOTO_VERSION}"
  npm run test:peers

or, leaving the system's Python alone,

  python3 -m venv /tmp/peers && /tmp/peers/bin/python -m pip install "moto[server]==${MOTO_VERSION}"
  PEERS_PYTHON=/tmp/peers/bin/python npm run test:peers`

const VERSION_PROGRAM = 'from importlib.metadata import version; import moto.server; print(version("moto"))'

export interface Moto extends AsyncDisposable {
  endpoint: string
}

/** Starts moto's server on a free port of 127.0.0.1. Throws with what to install where there is none. */
export async function startMoto(python = process.env['PEERS_PYTHON'] || 'python3'): Promise<Moto> {
  await requireVersion(python)
  const port = await freePort()
  const child = spawn(python, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000)
  })
  const endpoint = `http://127.0.0.1:${port}`
  const deadline = Date.now() + START_LIMIT_MS
  while (!(await answers(endpoint))) {
    if (child.exitCode !== null) throw new Error(`moto ended with ${child.exitCode} at its start:\n${said}`)
    if (Date.now() > deadline) {
      await stop(child)
      throw new Error(`moto did not answer on ${endpoint} within ${START_LIMIT_MS / 1000} s:\n${said}`)
    }
    await sleep(TRY_EVERY_MS)
  }
  return { endpoint, [Symbol.asyncDispose]: () => stop(child) }
}

async function requireVersion(python: string): Promise<void> {
  const found = await new Promise<string>((resolve) => {
    const child = spawn(python, ['-c', VERSION_PROGRAM], { stdio: ['ignore', 'pipe', 'ignore'] })
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    child.once('error', () => resolve('')) // no such program
    child.once('close', () => resolve(said.trim()))
  })
  if (found === MOTO_VERSION) return
  const what = found === '' ? `"${python}" has no moto server.` : `"${python}" has moto ${found}.`
  throw new Error(`${what}\n\n${HOW_TO_INSTALL}`)
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    return (await fetch(`${endpoint}/moto-api/`)).ok
  } catch {
    return false
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port on 127.0.0.1')
  return address.port
}
