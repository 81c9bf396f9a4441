import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import * as fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { CefError, parseCef } from './syslog/cef.ts'
import { OctetFrames } from './syslog/framing.ts'
import { parseSyslog, SyslogError } from './syslog/rfc5424.ts'
import { type SyslogReceiver, selfSignedCertificate, startSyslogReceiver } from './syslog-receiver.ts'

const frame = (text: string) => Buffer.from(`${Buffer.byteLength(text)} ${text}`)
/** Resolves also where it ends with an error. */
const closing = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve))
const codeOf = (run: () => unknown): string => {
  try {
    run()
    return 'accepted'
  } catch (error) {
    if (error instanceof SyslogError || error instanceof CefError) return error.code
    throw error
  }
}

describe('octet counting', () => {
  test('frames come out the same however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }), { maxLength: 6 }),
        fc.array(fc.nat(200), { maxLength: 12 }),
        (texts, cuts) => {
          const stream = Buffer.concat(texts.map(frame))
          const at = [...new Set([0, stream.length, ...cuts.filter((cut) => cut < stream.length)])].sort(
            (a, b) => a - b,
          )
          const frames = new OctetFrames()
          const out: string[] = []
          for (let i = 1; i < at.length; i++) {
            const pushed = frames.push(stream.subarray(at[i - 1], at[i]))
            expect(pushed.fault).toBeUndefined()
            out.push(...pushed.frames.map(String))
          }
          expect(out).toEqual(texts)
          expect(frames.end()).toBeUndefined()
        },
      ),
    )
  })

  test.each([
    ['5 hello\n3 you', ['hello'], 'length_not_a_number'], // a line feed between frames
    ['<13>1 - - - - - -\n', [], 'length_not_a_number'], // line framing
    ['05 hello', [], 'frame_empty'],
    ['0 ', [], 'frame_empty'],
    [' 5 hello', [], 'length_not_a_number'],
    ['3 abc21 ', ['abc'], 'length_too_large'],
    ['3 abc9', ['abc'], 'frame_truncated'],
    ['3 abc9 xyz', ['abc'], 'frame_truncated'],
  ])('%j', (stream, whole, fault) => {
    const frames = new OctetFrames(20)
    expect(frames.push(Buffer.from(stream)).frames.map(String)).toEqual(whole)
    expect(frames.end()).toBe(fault)
  })
})

describe('RFC 5424', () => {
  test('the examples of the standard', () => {
    // RFC 5424 §6.5, examples 1, 3 and 4
    const bom = '\u{feff}'
    const one = parseSyslog(
      Buffer.from(`<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - ${bom}'su root' failed`),
    )
    expect(one).toMatchObject({
      facility: 4,
      severity: 2,
      timestamp: '2003-10-11T22:14:15.003Z',
      hostname: 'mymachine.example.com',
      appName: 'su',
      procId: null,
      msgId: 'ID47',
      message: "'su root' failed",
      byteOrderMark: true,
    })
    const data =
      '[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 class="high"]'
    const four = parseSyslog(
      Buffer.from(`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 ${data}`),
    )
    expect([...four.structuredData]).toEqual([
      [
        'exampleSDID@32473',
        [
          ['iut', '3'],
          ['eventSource', 'Application'],
          ['eventID', '1011'],
        ],
      ],
      ['examplePriority@32473', [['class', 'high']]],
    ])
    expect(four.message).toBeNull()
  })

  test('values are unescaped, other backslashes stay, and text is UTF-8', () => {
    const { structuredData, message } = parseSyslog(
      Buffer.from('<13>1 - - - - - [a@1 v="q\\" b\\\\ c\\] d\\n ü" v="2"] ]é'),
    )
    expect(structuredData.get('a@1')).toEqual([
      ['v', 'q" b\\ c] d\\n ü'],
      ['v', '2'],
    ])
    expect(message).toBe(']é')
  })

  test.each([
    ['<192>1 - - - - - -', 'pri_invalid'],
    ['<013>1 - - - - - -', 'pri_invalid'],
    ['13 1 - - - - - -', 'pri_invalid'],
    ['<13>2 - - - - - -', 'version_unknown'],
    ['<13>Oct 11 22:14:15 host su: old style', 'version_unknown'],
    ['<13>1 2026-02-30T00:00:00Z - - - - -', 'timestamp_invalid'],
    ['<13>1 2026-02-03t00:00:00Z - - - - -', 'timestamp_invalid'],
    ['<13>1 2026-02-03T00:00:60Z - - - - -', 'timestamp_invalid'],
    ['<13>1 2026-02-03T00:00:00.1234567Z - - - - -', 'timestamp_invalid'],
    ['<13>1 2026-02-03T00:00:00 - - - - -', 'timestamp_invalid'],
    ['<13>1 2026-02-03T00:00:00.123456+14:00 - - - - -', 'accepted'],
    [`<13>1 - ${'h'.repeat(256)} - - - -`, 'hostname_invalid'],
    ['<13>1 - hôst - - - -', 'hostname_invalid'],
    ['<13>1 -  - - - -', 'hostname_invalid'],
    [`<13>1 - - ${'a'.repeat(49)} - - -`, 'app_name_invalid'],
    [`<13>1 - - - - ${'m'.repeat(33)} -`, 'msg_id_invalid'],
    ['<13>1 - - - - -', 'header_incomplete'],
    ['<13>1 - - - - - message', 'structured_data_invalid'],
    ['<13>1 - - - - - [a@1 v="x"', 'structured_data_invalid'],
    ['<13>1 - - - - - [a@1 v="x]y"]', 'structured_data_invalid'],
    ['<13>1 - - - - - [a@1 v="x"y"]', 'structured_data_invalid'],
    ['<13>1 - - - - - [a@1  v="x"]', 'structured_data_invalid'],
    ['<13>1 - - - - - [a@1 v=x]', 'structured_data_invalid'],
    ['<13>1 - - - - - [private v="x"]', 'structured_data_invalid'],
    ['<13>1 - - - - - [a@1][a@1]', 'structured_data_invalid'],
    ['<13>1 - - - - - [a@1] [b@1]', 'accepted'], // the second one is the message
    ['<13>1 - - - - - [meta sequenceId="1"]', 'accepted'],
  ])('%s is %s', (text, code) => {
    expect(codeOf(() => parseSyslog(Buffer.from(text)))).toBe(code)
  })

  test('bytes that are no UTF-8 are refused', () => {
    const bytes = Buffer.concat([Buffer.from('<13>1 - - - - - - '), Buffer.from([0xc3, 0x28])])
    expect(codeOf(() => parseSyslog(bytes))).toBe('message_not_utf8')
  })
})

describe('CEF', () => {
  test('header and extension are unescaped', () => {
    const head = 'CEF:0|Acme|Insider\\|Risk|1.0|back\\\\slash|Data theft = bad|8'
    const parsed = parseCef(
      `${head}|externalId=6f cs1Label=alertId cs1=a b request=https://x/?t\\=all msg=1\\n2\\\\3 | 4 cnt=14`,
    )
    expect(parsed).toMatchObject({
      version: 0,
      vendor: 'Acme',
      product: 'Insider|Risk',
      eventClassId: 'back\\slash',
      name: 'Data theft = bad',
      severity: '8',
    })
    expect(Object.fromEntries(parsed.extension)).toEqual({
      externalId: '6f',
      cs1Label: 'alertId',
      cs1: 'a b',
      request: 'https://x/?t=all',
      msg: '1\n2\\3 | 4',
      cnt: '14',
    })
  })

  test('text that is not escaped shows as the key it smuggles in', () => {
    expect([...parseCef('CEF:0|a|b|c|d|e|1|msg=hello suser=root').extension.keys()]).toEqual(['msg', 'suser'])
  })

  test.each([
    ['CEF:2|a|b|c|d|e|1|', 'version_unknown'],
    ['CEF:0|a|b|c|d|e', 'header_incomplete'],
    ['CEF:0|a||c|d|e|1|', 'header_incomplete'],
    ['CEF:0|a|b|c|d\ne|e|1|', 'header_incomplete'],
    ['CEF:0|a|b\\=|c|d|e|1|', 'header_escape_invalid'],
    [`CEF:0|${'a'.repeat(64)}|b|c|d|e|1|`, 'header_too_long'],
    ['CEF:0|a|b|c|d|e|11|', 'severity_invalid'],
    ['CEF:0|a|b|c|d|e|Very-High|', 'accepted'],
    ['CEF:0|a|b|c|d|e|1|no key', 'extension_invalid'],
    ['CEF:0|a|b|c|d|e|1| msg=x', 'extension_invalid'],
    ['CEF:0|a|b|c|d|e|1|msg=x msg=y', 'key_repeated'],
    ['CEF:0|a|b|c|d|e|1|msg=a\\|b', 'value_escape_invalid'],
    ['CEF:0|a|b|c|d|e|1|msg=a b==c', 'value_escape_invalid'],
    ['CEF:0|a|b|c|d|e|1|msg=a\nb', 'value_escape_invalid'],
    ['CEF:0|a|b|c|d|e|1|msg=a ', 'value_escape_invalid'],
    ['CEF:0|a|b|c|d|e|1|msg=a  act=b', 'value_escape_invalid'],
    ['CEF:0|a|b|c|d|e|1|cs1=a', 'label_missing'],
    ['CEF:0|a|b|c|d|e|1|cnt=1.5', 'value_invalid'],
    ['CEF:0|a|b|c|d|e|1|rt=2026-11-20T09:10:41Z', 'value_invalid'],
    ['CEF:0|a|b|c|d|e|1|rt=Nov 20 2026 09:10:41.000 UTC', 'accepted'],
    ['CEF:0|a|b|c|d|e|1|src=2001:db8::1', 'value_invalid'],
    [`CEF:0|a|b|c|d|e|1|externalId=${'x'.repeat(41)}`, 'value_too_long'],
  ])('%j is %s', (text, code) => {
    expect(codeOf(() => parseCef(text))).toBe(code)
  })
})

describe('the receiver', () => {
  let receiver: SyslogReceiver
  const sockets: Socket[] = []
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await receiver.close()
  })
  const open = async (): Promise<Socket> => {
    const socket = createConnection({ port: receiver.port, host: '127.0.0.1' })
    sockets.push(socket.on('error', () => {}))
    await once(socket, 'connect')
    return socket
  }
  const message = (id: number) =>
    frame(`<109>1 2026-11-20T09:10:41Z irm.example openirm 1 alert [e@32473 id="${id}"] CEF:0|a|b|c|d|e|1|cnt=${id}`)
  const ids = () => receiver.messages.map(({ cef }) => Number(cef?.extension.get('cnt')))

  test('messages in order, byte by byte and many at once', async () => {
    receiver = await startSyslogReceiver()
    const socket = await open()
    socket.setNoDelay(true)
    for (const byte of message(1)) socket.write(Buffer.from([byte]))
    socket.write(Buffer.concat([message(2), message(3)]))
    await vi.waitFor(() => expect(ids()).toEqual([1, 2, 3]))
    expect(receiver.messages[1]).toMatchObject({ connection: 1, facility: 13, severity: 5, appName: 'openirm' })
    expect([receiver.errors, receiver.connections]).toEqual([[], 1])
  })

  test('a bad message is noted and the next one read; a bad frame ends the connection', async () => {
    receiver = await startSyslogReceiver()
    const socket = await open()
    const closed = closing(socket)
    const cef = 'CEF:0|a|b|c|d|e|99|'
    socket.write(
      Buffer.concat([frame('<13>old'), frame(`<13>1 - - - - - - ${cef}`), message(1), Buffer.from('\n'), message(2)]),
    )
    await closed
    expect(ids()).toEqual([1])
    expect(receiver.errors.map(({ code, where }) => [code, where])).toEqual([
      ['version_unknown', 'byte 4'],
      ['severity_invalid', 'severity'],
      ['length_not_a_number', 'frame'],
    ])
  })

  test('a connection that ends inside a frame is noted', async () => {
    receiver = await startSyslogReceiver()
    ;(await open()).end(message(1).subarray(0, 20))
    await vi.waitFor(() => expect(receiver.errors.map(({ code }) => code)).toEqual(['frame_truncated']))
  })

  test('a line that drops inside a frame loses that message without a word to the sender', async () => {
    receiver = await startSyslogReceiver()
    const size = message(1).length
    receiver.dropAfterBytes(size + 5)
    const first = await open()
    const closed = closing(first)
    first.write(Buffer.concat([message(1), message(2)]))
    await closed
    ;(await open()).write(message(2))
    await vi.waitFor(() => expect(ids()).toEqual([1, 2]))
    expect([receiver.errors, receiver.connections]).toEqual([[], 2])
    expect(() => receiver.dropAfterBytes(-1)).toThrow(RangeError)
  })

  test('a receiver that does not read makes the sender wait', async () => {
    receiver = await startSyslogReceiver()
    receiver.pause()
    const socket = await open()
    const block = Buffer.concat(Array.from({ length: 1000 }, (_, id) => message(id)))
    let blocks = 0
    while (socket.writableLength < 1024 * 1024) {
      socket.write(block)
      blocks++
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(receiver.messages).toEqual([])
    receiver.resume()
    await vi.waitFor(() => expect(receiver.messages.length).toBe(blocks * 1000), { timeout: 8000 })
    expect(receiver.errors).toEqual([])
  })

  test('refused, then accepted again on the same port', async () => {
    receiver = await startSyslogReceiver()
    const before = await open()
    const closed = closing(before)
    await receiver.refuse()
    await closed
    await expect(open()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await receiver.accept()
    ;(await open()).write(message(1))
    await vi.waitFor(() => expect(ids()).toEqual([1]))
  })

  test('all connections dropped at once', async () => {
    receiver = await startSyslogReceiver()
    const both = [await open(), await open()]
    await vi.waitFor(() => expect(receiver.connections).toBe(2))
    const closed = Promise.all(both.map((socket) => closing(socket)))
    receiver.dropConnections()
    await closed
    expect(() => receiver.setCertificate(selfSignedCertificate())).toThrow(TypeError)
  })

  test('TLS: verified by name, swapped certificates noticed, drops too', async () => {
    const [pair, other] = [selfSignedCertificate(), selfSignedCertificate()]
    receiver = await startSyslogReceiver({ tls: pair })
    const openTls = async (maxVersion: 'TLSv1.1' | 'TLSv1.3' = 'TLSv1.3') => {
      const socket = connectTls({
        port: receiver.port,
        host: '127.0.0.1',
        servername: 'localhost',
        ca: pair.cert,
        minVersion: 'TLSv1',
        maxVersion,
      })
      sockets.push(socket)
      await once(socket, 'secureConnect')
      return socket.on('error', () => {})
    }
    receiver.dropAfterBytes(message(1).length)
    const socket = await openTls()
    const closed = closing(socket)
    socket.write(message(1))
    await closed
    expect(ids()).toEqual([1])
    await expect(openTls('TLSv1.1')).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_SSL_/) })
    receiver.setCertificate(other)
    await expect(openTls()).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    receiver.setCertificate(pair)
    ;(await openTls()).write(message(2))
    await vi.waitFor(() => expect(ids()).toEqual([1, 2]))
    expect(new Set(receiver.errors.map(({ code }) => code))).toEqual(new Set(['tls_handshake_failed']))
  })
})
