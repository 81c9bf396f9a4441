import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import ssh2, { type AuthContext, type Connection, type SFTPWrapper } from 'ssh2'

const { Server, utils } = ssh2
const { STATUS_CODE, OPEN_MODE } = utils.sftp

export interface SftpOptions {
  /** Default 0: a free one. */
  port?: number
  userName?: string
  password?: string
  /** In OpenSSH form; who holds the private half may enter. */
  publicKey?: string
}

export interface SftpStandIn extends AsyncDisposable {
  port: number
  /** As `ssh-keygen -lf` prints it. */
  hostKey: string
  /** Stages a file in a folder that is made if need be; `at` is its time of change. */
  put(path: string, content: Buffer | string, at?: Date): void
  remove(path: string): void
  /** From now on nobody may read this file, or list this folder. */
  deny(path: string): void
  /** Called whenever a file is read, before its first bytes are sent. */
  onRead: (path: string) => void
  /** Paths of the files that were read, in order. */
  reads: string[]
}

interface Staged {
  content: Buffer
  at: Date
}

const DIRECTORY = 0o040755
const FILE = 0o100644

/** A key pair of its own. One in some hundred that the library makes it cannot read itself: then another one is made. */
function hostKey() {
  for (;;) {
    const key = utils.generateKeyPairSync('ed25519')
    const parsed = utils.parseKey(key.public)
    if (!(parsed instanceof Error)) return { key, parsed }
  }
}

/**
 * An SFTP server at the socket: real SSH, version 3 of the protocol, reading only. Files are held in memory; folders
 * are what the paths of files say.
 */
export async function startSftp(options: SftpOptions = {}): Promise<SftpStandIn> {
  const { userName = 'pickup', password, publicKey } = options
  const { key, parsed } = hostKey()
  const files = new Map<string, Staged>()
  const denied = new Set<string>()
  const connections = new Set<Connection>()

  const server = new Server({ hostKeys: [key.private] }, (client) => {
    connections.add(client)
    client.on('close', () => connections.delete(client))
    // A client that refuses the host key hangs up in the middle of the handshake.
    client.on('error', () => {})
    client.on('authentication', (asked) => {
      if (asked.username === userName && mayEnter(asked, password, publicKey)) asked.accept()
      else asked.reject(['password', 'publickey'])
    })
    client.on('session', (accept) => accept().on('sftp', (open) => serve(open(), standIn, files, denied)))
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')

  const standIn: SftpStandIn = {
    port: (server.address() as AddressInfo).port,
    hostKey: `SHA256:${createHash('sha256').update(parsed.getPublicSSH()).digest('base64').replace(/=+$/, '')}`,
    put: (path, content, at = new Date()) => void files.set(path, { content: Buffer.from(content), at }),
    remove: (path) => void files.delete(path),
    deny: (path) => void denied.add(path),
    onRead: () => {},
    reads: [],
    async [Symbol.asyncDispose]() {
      for (const client of connections) client.end()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  return standIn
}

function mayEnter(asked: AuthContext, password: string | undefined, publicKey: string | undefined): boolean {
  if (asked.method === 'password' && password !== undefined) {
    const [given, known] = [Buffer.from(asked.password), Buffer.from(password)]
    return given.length === known.length && timingSafeEqual(given, known)
  }
  if (asked.method !== 'publickey' || publicKey === undefined) return false
  const known = utils.parseKey(publicKey)
  if (known instanceof Error || !known.getPublicSSH().equals(asked.key.data)) return false
  return asked.signature === undefined || known.verify(asked.blob as Buffer, asked.signature, asked.hashAlgo) === true
}

/** What a client has open. */
type Handle = { path: string; listed?: boolean; content?: Buffer }

function serve(sftp: SFTPWrapper, standIn: SftpStandIn, files: Map<string, Staged>, denied: Set<string>): void {
  const handles = new Map<number, Handle>()
  let last = 0
  const opened = (handle: Handle): Buffer => {
    last += 1
    handles.set(last, handle)
    const id = Buffer.alloc(4)
    id.writeUInt32BE(last)
    return id
  }
  const of = (id: Buffer): Handle | undefined => (id.length === 4 ? handles.get(id.readUInt32BE()) : undefined)
  const normal = (path: string) => (path.startsWith('/') ? path : `/${path}`).replace(/\/\.?(?=\/|$)/g, '') || '/'
  const inside = (folder: string) => {
    const prefix = folder === '/' ? '/' : `${folder}/`
    return [...files].filter(([path]) => path.startsWith(prefix) && !path.slice(prefix.length).includes('/'))
  }
  const isFolder = (path: string) =>
    path === '/' || [...files.keys()].some((file) => file.startsWith(path === '/' ? '/' : `${path}/`))
  const attrs = ({ content, at }: Staged) => {
    const seconds = Math.floor(at.getTime() / 1000)
    return { mode: FILE, uid: 0, gid: 0, size: content.length, atime: seconds, mtime: seconds }
  }
  const stat = (id: number, asked: string): void => {
    const path = normal(asked)
    const file = files.get(path)
    if (file) sftp.attrs(id, attrs(file))
    else if (isFolder(path)) sftp.attrs(id, { mode: DIRECTORY, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 })
    else sftp.status(id, STATUS_CODE.NO_SUCH_FILE)
  }

  sftp.on('REALPATH', (id, path) => sftp.name(id, [{ filename: normal(path), longname: '', attrs: {} as never }]))
  sftp.on('STAT', stat)
  sftp.on('LSTAT', stat)
  sftp.on('OPENDIR', (id, asked) => {
    const path = normal(asked)
    if (denied.has(path)) sftp.status(id, STATUS_CODE.PERMISSION_DENIED)
    else if (!isFolder(path)) sftp.status(id, STATUS_CODE.NO_SUCH_FILE)
    else sftp.handle(id, opened({ path }))
  })
  sftp.on('READDIR', (id, handleId) => {
    const handle = of(handleId)
    if (!handle) return void sftp.status(id, STATUS_CODE.FAILURE)
    if (handle.listed) return void sftp.status(id, STATUS_CODE.EOF)
    handle.listed = true
    const found = inside(handle.path).map(([path, file]) => {
      const filename = path.slice(path.lastIndexOf('/') + 1)
      return { filename, longname: `-rw-r--r-- 1 0 0 ${file.content.length} ${filename}`, attrs: attrs(file) }
    })
    if (found.length === 0) sftp.status(id, STATUS_CODE.EOF)
    else sftp.name(id, found)
  })
  sftp.on('OPEN', (id, asked, flags) => {
    const path = normal(asked)
    const file = files.get(path)
    if (!file) return void sftp.status(id, STATUS_CODE.NO_SUCH_FILE)
    if (denied.has(path) || flags & ~OPEN_MODE.READ) return void sftp.status(id, STATUS_CODE.PERMISSION_DENIED)
    standIn.reads.push(path)
    const { content } = file
    standIn.onRead(path)
    sftp.handle(id, opened({ path, content }))
  })
  sftp.on('READ', (id, handleId, offset, length) => {
    const content = of(handleId)?.content
    if (!content) sftp.status(id, STATUS_CODE.FAILURE)
    else if (offset >= content.length) sftp.status(id, STATUS_CODE.EOF)
    else sftp.data(id, content.subarray(offset, offset + length))
  })
  sftp.on('FSTAT', (id, handleId) => stat(id, of(handleId)?.path ?? '?'))
  sftp.on('CLOSE', (id, handleId) => {
    if (handleId.length === 4) handles.delete(handleId.readUInt32BE())
    sftp.status(id, STATUS_CODE.OK)
  })
}
