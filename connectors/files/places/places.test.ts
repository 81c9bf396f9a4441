import { chmodSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import ssh2 from 'ssh2'
import { describe, expect, test } from 'vitest'
import { startS3 } from '../../../sandbox/s3.ts'
import { type SftpStandIn, startSftp } from '../../../sandbox/sftp.ts'
import { folderPlace } from './folder.ts'
import type { Place } from './place.ts'
import { s3Place } from './s3.ts'
import { sftpPlace } from './sftp.ts'

async function read(place: Place, name: string): Promise<string> {
  const file = (await place.settled()).find((each) => each.name === name)
  if (!file) throw new Error(`${name} is not offered`)
  const pieces: Uint8Array[] = []
  for await (const piece of place.open(file)) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}
const names = async (place: Place) => (await place.settled()).map(({ name }) => name)

describe('an SFTP server', () => {
  const login = (server: SftpStandIn, more: object = {}) => ({
    host: '127.0.0.1',
    port: server.port,
    path: '/out',
    userName: 'pickup',
    hostKey: server.hostKey,
    password: 'let me in',
    ...more,
  })

  test('offers the files of its folder and gives them', { timeout: 30_000 }, async () => {
    await using server = await startSftp({ password: 'let me in' })
    const long = 'x'.repeat(300_000)
    server.put('/out/b.csv', long)
    server.put('/out/a.csv', 'first')
    server.put('/out/.half.csv', 'hidden')
    server.put('/out/old/c.csv', 'below')
    server.put('/elsewhere.csv', 'beside')
    await using place = await sftpPlace(login(server))
    expect(await names(place)).toEqual(['a.csv', 'b.csv'])
    expect(await read(place, 'b.csv')).toBe(long)
    expect(server.reads).toEqual(['/out/b.csv'])
  })

  test('lets in who holds the key', { timeout: 30_000 }, async () => {
    const key = ssh2.utils.generateKeyPairSync('ed25519', { passphrase: 'sesame', cipher: 'aes256-ctr', rounds: 1 })
    await using server = await startSftp({ publicKey: key.public })
    server.put('/out/a.csv', 'first')
    const keyed = { password: undefined, privateKey: key.private, passphrase: 'sesame' }
    await using place = await sftpPlace(login(server, keyed))
    expect(await read(place, 'a.csv')).toBe('first')
    await expect(sftpPlace(login(server, { ...keyed, passphrase: 'wrong' }))).rejects.toMatchObject({
      code: 'settings_invalid',
      field: 'pickUpPrivateKey',
    })
  })

  test('that shows another key gets no password', { timeout: 30_000 }, async () => {
    await using server = await startSftp({ password: 'let me in' })
    await using other = await startSftp()
    await expect(sftpPlace(login(server, { hostKey: other.hostKey }))).rejects.toMatchObject({
      code: 'settings_invalid',
      field: 'pickUp.hostKey',
    })
  })

  test.each([
    ['a wrong password', { password: 'wrong' }, { code: 'credential_refused' }],
    ['an unknown user', { userName: 'else' }, { code: 'credential_refused' }],
    ['neither password nor key', { password: undefined }, { code: 'settings_invalid', field: 'pickUpPassword' }],
    ['nobody who listens', { port: 9 }, { code: 'connector_unreachable' }],
  ])('is refused with %s', { timeout: 30_000 }, async (_, more, expected) => {
    await using server = await startSftp({ password: 'let me in' })
    await expect(sftpPlace(login(server, more))).rejects.toMatchObject(expected)
  })

  test('says what cannot be read: a folder that is missing or closed, a file', { timeout: 30_000 }, async () => {
    await using server = await startSftp({ password: 'let me in' })
    server.put('/out/a.csv', 'first')
    server.put('/closed/b.csv', 'second')
    server.deny('/closed')
    server.deny('/out/a.csv')
    await using missing = await sftpPlace(login(server, { path: '/no/such' }))
    await expect(missing.settled()).rejects.toMatchObject({ code: 'settings_invalid', field: 'pickUp.path' })
    await using closed = await sftpPlace(login(server, { path: '/closed' }))
    await expect(closed.settled()).rejects.toMatchObject({ code: 'permission_missing' })
    await using place = await sftpPlace(login(server))
    await expect(read(place, 'a.csv')).rejects.toMatchObject({ code: 'file_unreadable' })
  })

  test('offers no file that grows, whatever its time says', { timeout: 30_000 }, async () => {
    await using server = await startSftp({ password: 'let me in' })
    const long = new Date('2020-01-01T00:00:00Z')
    server.put('/out/a.csv', 'whole', long)
    server.put('/out/b.csv', 'grow', long)
    const growing = setInterval(
      () => server.put('/out/b.csv', 'grow'.repeat(Math.ceil(Math.random() * 1e5)), long),
      200,
    )
    try {
      await using place = await sftpPlace(login(server))
      expect(await names(place)).toEqual(['a.csv'])
    } finally {
      clearInterval(growing)
    }
  })
})

test('an S3 prefix offers what lies below it, as it was listed', async () => {
  await using s3 = await startS3({ maxKeys: 2 })
  for (const key of ['in/a.csv', 'in/b.csv', 'in/deep/c.csv', 'in/.half', 'out/d.csv'])
    s3.put('files', key, `of ${key}`)
  const { accessKeyId, secretAccessKey } = s3.credentials
  await using place = s3Place({
    bucket: 'files',
    prefix: 'in/',
    region: s3.region,
    endpoint: s3.endpoint,
    forcePathStyle: true,
    accessKeyId,
    secretAccessKey,
  })
  const found = await place.settled()
  expect(found.map(({ name }) => name)).toEqual(['in/a.csv', 'in/b.csv', 'in/deep/c.csv'])
  expect(await read(place, 'in/deep/c.csv')).toBe('of in/deep/c.csv')
  const [first] = found
  s3.put('files', 'in/a.csv', 'something else')
  const content = async () => {
    for await (const _ of place.open(first as NonNullable<typeof first>));
  }
  await expect(content()).rejects.toMatchObject({ retryable: true })
  s3.deny('s3:ListBucket')
  await expect(place.settled()).rejects.toMatchObject({ code: 'permission_missing' })
})

test('a folder offers settled files, and says what cannot be read', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-place-'))
  try {
    const old = new Date(Date.now() - 60_000)
    for (const name of ['b.csv', 'a.csv', '.hidden']) {
      writeFileSync(path.join(folder, name), name)
      utimesSync(path.join(folder, name), old, old)
    }
    writeFileSync(path.join(folder, 'new.csv'), 'just now')
    await using place = folderPlace(folder)
    expect(await names(place)).toEqual(['a.csv', 'b.csv'])
    expect(await read(place, 'a.csv')).toBe('a.csv')
    if (process.getuid?.() !== 0) {
      chmodSync(path.join(folder, 'b.csv'), 0)
      await expect(read(place, 'b.csv')).rejects.toMatchObject({ code: 'file_unreadable' })
    }
    await expect(folderPlace(path.join(folder, 'no such')).settled()).rejects.toMatchObject({
      code: 'settings_invalid',
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
