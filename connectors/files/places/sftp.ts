import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import ssh2, { type Client, type SFTPWrapper, type Stats } from 'ssh2'
import { AppError } from '../../../domain/errors.ts'
import { byName, isHidden, type OfferedFile, type Place, SETTLE_MS } from './place.ts'

export interface SftpSettings {
  host: string
  port: number
  /** Folder on the server, without the folders below it. */
  path: string
  userName: string
  /** As `ssh-keygen -lf` prints it: `SHA256:` and base64 without padding. */
  hostKey: string
  password?: string | undefined
  privateKey?: string | undefined
  passphrase?: string | undefined
}

const READY_TIMEOUT_MS = 20_000
/** SFTP status codes. Source: draft-ietf-secsh-filexfer-02, section 7. */
const NO_SUCH_FILE = 2
const PERMISSION_DENIED = 3

/** A folder of an SFTP server whose host key is pinned. */
export async function sftpPlace(settings: SftpSettings): Promise<Place> {
  const { client, sftp } = await connect(settings)
  const at = (name: string) => `${settings.path.replace(/\/+$/, '') || (settings.path === '' ? '.' : '')}/${name}`
  const list = async (): Promise<OfferedFile[]> => {
    const entries = await call<{ filename: string; attrs: Stats }[]>((done) => sftp.readdir(settings.path, done))
    return entries
      .filter(({ filename, attrs }) => isRegular(attrs) && !isHidden(filename))
      .map(({ filename, attrs }) => offered(filename, attrs))
      .sort(byName)
  }
  return {
    async settled() {
      // Clocks of two machines differ: what is the same for a while is settled, whatever its time says.
      const before = new Map((await list()).map((file) => [file.name, file]))
      if (before.size === 0) return []
      await wait(SETTLE_MS)
      return (await list()).filter((file) => isSame(file, before.get(file.name)))
    },
    async *open({ name }) {
      try {
        yield* sftp.createReadStream(at(name)) as AsyncIterable<Uint8Array>
      } catch (error) {
        throw asAppError(error, 'a file of the server cannot be read', 'file_unreadable')
      }
    },
    async look({ name }) {
      try {
        return offered(name, await call<Stats>((done) => sftp.stat(at(name), done)))
      } catch (error) {
        if (isGone(error)) return null
        throw error
      }
    },
    async [Symbol.asyncDispose]() {
      const closed = once(client, 'close')
      client.end()
      await closed
    },
  }
}

/** File type bits of a mode: a regular file. A server that sends no type is taken at its word that it lists files. */
const isRegular = ({ mode }: Stats): boolean => (mode & 0o170000) === 0o100000 || (mode & 0o170000) === 0

const offered = (name: string, { size, mtime, mode }: Stats): OfferedFile => ({
  name,
  sizeBytes: size,
  version: String(mtime),
  readable: `${mtime}/${mode}`,
})

const isSame = (file: OfferedFile, before: OfferedFile | undefined): boolean =>
  before !== undefined && before.sizeBytes === file.sizeBytes && before.version === file.version

async function connect(settings: SftpSettings): Promise<{ client: Client; sftp: SFTPWrapper }> {
  const { host, port, userName, password, privateKey, passphrase } = settings
  if (password === undefined && privateKey === undefined) {
    throw new AppError('settings_invalid', 'the SFTP server is given neither a password nor a key', {
      field: 'pickUpPassword',
      fix: 'Enter a password or a private key.',
    })
  }
  const pinned = Buffer.from(settings.hostKey.slice('SHA256:'.length), 'base64').toString('hex')
  let isAnother = false
  const client = new ssh2.Client()
  const ready = new Promise<void>((resolve, reject) => {
    client.once('ready', resolve)
    // Stays for the length of the connection: without a listener a lost one would end the process.
    client.on('error', reject)
    client.once('close', () => reject(new AppError('connector_unreachable', 'the SFTP server closed the connection')))
  })
  try {
    client.connect({
      host,
      port,
      username: userName,
      readyTimeout: READY_TIMEOUT_MS,
      keepaliveInterval: 10_000,
      hostHash: 'sha256',
      hostVerifier: (hash: string) => {
        isAnother = hash !== pinned
        return !isAnother
      },
      ...(password === undefined ? {} : { password }),
      ...(privateKey === undefined ? {} : { privateKey }),
      ...(passphrase === undefined ? {} : { passphrase }),
    })
    await ready
    return { client, sftp: await call<SFTPWrapper>((done) => client.sftp(done)) }
  } catch (error) {
    client.end()
    if (isAnother) {
      throw new AppError('settings_invalid', 'the SFTP server shows another host key than the pinned one', {
        cause: error,
        field: 'pickUp.hostKey',
        fix: 'Ask its operator for the fingerprint; correct it only if the key was changed on purpose.',
      })
    }
    throw asAppError(error, 'the SFTP server cannot be reached', 'connector_unreachable')
  }
}

async function call<T>(work: (done: (error: Error | undefined, result: T) => void) => void): Promise<T> {
  try {
    return await new Promise<T>((resolve, reject) => work((error, result) => (error ? reject(error) : resolve(result))))
  } catch (error) {
    throw asAppError(error, 'the folder of the SFTP server cannot be read', 'connector_unreachable')
  }
}

const isGone = (error: unknown): boolean =>
  ((error as { cause?: { code?: unknown } }).cause?.code ?? undefined) === NO_SUCH_FILE

/** By the level and code that the library gives; what has neither is the network. */
function asAppError(error: unknown, what: string, otherwise: 'connector_unreachable' | 'file_unreadable'): AppError {
  if (error instanceof AppError) return error
  const { level, code } = error as { level?: string; code?: unknown }
  if (level === 'client-authentication') {
    return new AppError('credential_refused', 'the SFTP server refuses the account', {
      cause: error,
      fix: 'Enter the password or key that the server knows for this user.',
    })
  }
  if (code === NO_SUCH_FILE) {
    return new AppError('settings_invalid', what, {
      cause: error,
      field: 'pickUp.path',
      fix: 'Correct the folder on the server.',
    })
  }
  if (code === PERMISSION_DENIED) {
    return new AppError(otherwise === 'file_unreadable' ? otherwise : 'permission_missing', what, {
      cause: error,
      fix: 'Let the account read the folder and its files.',
    })
  }
  if (level === undefined && code === undefined && error instanceof Error && otherwise === 'connector_unreachable') {
    // A key that cannot be read is found before anything is sent.
    return new AppError('settings_invalid', 'the private key cannot be used', {
      cause: error,
      field: 'pickUpPrivateKey',
      fix: 'Enter a private key in OpenSSH or PEM form, with its passphrase where it has one.',
    })
  }
  return new AppError('connector_unreachable', what, { cause: error, fix: 'Check host, port and network.' })
}
