import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { blockRequest, exchange, type WireAnswer } from '../../sandbox/microsoft-upload-client.ts'
import { gzipBomb } from '../harness/gzip-bomb.ts'
import { type Edge, edge, GUID, HEADER, lines, named, row, type Target } from './edge.ts'

/** What goes over the wire, byte by byte, as Microsoft's scripts and flows send it. */
let e: Edge
let target: Target
let token: string
const TIMEOUT = 90_000
beforeAll(async () => {
  e = await edge()
  target = await e.target()
  token = await e.token(target)
}, TIMEOUT)
afterAll(() => e[Symbol.asyncDispose](), TIMEOUT)

const say = (answer: WireAnswer) => JSON.parse(answer.body)

/** A request with exactly these header lines; the length is put in. */
const raw = (path: string, headers: string[], body: Buffer | string, port = e.port) =>
  exchange(
    port,
    Buffer.concat([
      Buffer.from(
        `POST ${path} HTTP/1.1\r\nHost: risk.example.org\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`,
      ),
      Buffer.from(body),
    ]),
    60_000,
  )

const bearer = () => `Authorization: Bearer ${token}`

test('the captured request of the script, of 381 bytes, is one import of one row', { timeout: TIMEOUT }, async () => {
  const captured = [
    '--d6409052-bf08-4a33-90cf-bffa39422efa',
    "Content-Disposition: form-data; name=file; filename=tmp_d0d8e2b6-1111-4222-8333-9a9a9a9a9a9a0001.txt; filename*=utf-8''tmp_d0d8e2b6-1111-4222-8333-9a9a9a9a9a9a0001.txt",
    '',
    'HRScenario,EmailAddress,ResignationDate,LastWorkingDate',
    'Resignation,a@contoso.com,2024-01-01T00:00:00Z,2024-01-15T00:00:00Z',
    '',
    '--d6409052-bf08-4a33-90cf-bffa39422efa--',
    '',
  ].join('\r\n')
  expect(captured.length).toBe(381)
  const ids = await e.target()
  const own = await e.token(ids)
  const answer = await raw(
    `/api/signals?jobid=${ids.jobId}`,
    [
      `Authorization: Bearer ${own} `,
      'Content-Type: multipart/form-data; boundary="d6409052-bf08-4a33-90cf-bffa39422efa"',
    ],
    captured,
  )
  expect([answer.status, answer.reason]).toEqual([200, 'OK'])
  expect(say(answer)).toEqual({
    message: 'Block 1 is stored with 1 row and will be imported.',
    block: 1,
    rows: 1,
    unusable: 0,
    examples: [],
    repeated: false,
    missing: [],
  })
  expect(await e.imported(ids.connectorId, 1)).toEqual([
    {
      id: expect.any(String),
      state: 'completed',
      source: 'microsoft_upload',
      received: 1,
      stored: 1,
      duplicate: 0,
      quarantined: 0,
    },
  ])
  const { body } = await e.admin.get(`/connectors/${ids.connectorId}/microsoft-upload`)
  expect(body).toMatchObject({ lastAcceptedAt: expect.any(String), lastRefusal: null })
})

describe('every way in which it is sent', () => {
  let count = 0
  /** Another person each time, so that no body is the repetition of another. */
  const fresh = () => {
    count += 1
    return lines(HEADER, row(`wire${count}`))
  }
  const part = (head: string, body: string) => `--bound\r\n${head}\r\n\r\n${body}\r\n--bound--\r\n`
  const FORM = 'Content-Type: multipart/form-data; boundary=bound'

  const ways: [string, () => Promise<WireAnswer>][] = [
    [
      'a double slash and a path before it',
      () =>
        raw(
          `//ingest//api/signals?jobid=${target.jobId}`,
          [bearer(), FORM],
          part('Content-Disposition: form-data; name=file; filename=a.csv', fresh()),
        ),
    ],
    [
      'jobId with a capital, the id in capitals',
      () =>
        raw(
          `/api/signals?jobId=${target.jobId.toUpperCase()}`,
          [bearer(), FORM],
          part('Content-Disposition: form-data; name=file; filename=a.csv', fresh()),
        ),
    ],
    [
      'JOBID all in capitals, behind other keys',
      () =>
        raw(
          `/api/signals?api-version=1.0&JOBID=${target.jobId}`,
          [bearer(), FORM],
          part('Content-Disposition: form-data; name=file; filename=a.csv', fresh()),
        ),
    ],
    [
      'the part of the Power Automate flow',
      () =>
        raw(
          `/api/signals?jobId=${target.jobId}`,
          [bearer(), FORM],
          part('Content-Disposition: form-data;name = "file";filename=leavers of march.csv', fresh()),
        ),
    ],
    [
      'the part of the Logic App, without an extension',
      () =>
        raw(
          `/api/signals?jobid=${target.jobId}`,
          [bearer(), FORM],
          part('Content-Disposition: form-data;name = "file";filename=leavers', fresh()),
        ),
    ],
    [
      'no file name at all',
      () =>
        raw(
          `/api/signals?jobid=${target.jobId}`,
          [bearer(), FORM],
          part('Content-Disposition: form-data; name="file"', fresh()),
        ),
    ],
    [
      'the endpoint of the old termination script',
      () =>
        raw(
          `/api/signals/hr/termination/csv?jobid=${target.jobId}`,
          [bearer(), FORM],
          part("Content-Disposition: form-data; name=file; filename=old.csv; filename*=utf-8''old.csv", fresh()),
        ),
    ],
    [
      'Expect: 100-continue',
      () =>
        raw(
          `/api/signals?jobid=${target.jobId}`,
          [bearer(), FORM, 'Expect: 100-continue'],
          part('Content-Disposition: form-data; name=file; filename=a.csv', fresh()),
        ),
    ],
    [
      'gzip',
      () =>
        raw(
          `/api/signals?jobid=${target.jobId}`,
          [bearer(), FORM, 'Content-Encoding: gzip'],
          gzipSync(part('Content-Disposition: form-data; name=file; filename=a.csv', fresh())),
        ),
    ],
    [
      'a file that is gzip itself',
      () =>
        raw(
          `/api/signals?jobid=${target.jobId}`,
          [bearer(), 'Content-Type: application/octet-stream'],
          gzipSync(fresh()),
        ),
    ],
    ['a bare body', () => raw(`/api/signals?jobid=${target.jobId}`, [bearer(), 'Content-Type: text/csv'], fresh())],
  ]
  test.each(ways)('%s', async (what, send) => {
    const answer = await send()
    expect([answer.status, say(answer).rows], answer.body).toEqual([200, 1])
    expect(answer.continued).toBe(what === 'Expect: 100-continue')
  })

  test('each became an import with its row', { timeout: TIMEOUT }, async () => {
    const imports = await e.imported(target.connectorId, ways.length)
    expect(imports.map(({ state, stored }) => [state, stored])).toEqual(ways.map(() => ['completed', 1]))
  })

  test('the same bytes again are no second import, under whatever name', { timeout: TIMEOUT }, async () => {
    const ids = await e.target()
    const own = await e.token(ids)
    const body = lines(HEADER, row('again'))
    const send = (fileName: string) => e.send({ token: own, jobId: ids.jobId, fileName, body })
    expect(say(await send(named(1))).repeated).toBe(false)
    // The answer was lost: the script repeats the block.
    expect(say(await send(named(1)))).toMatchObject({
      repeated: true,
      message: 'Block 1 had arrived before: nothing is imported twice.',
    })
    expect(await e.imported(ids.connectorId, 1)).toHaveLength(1)
    expect(say(await send(named(1))).repeated).toBe(true)
    // A second run of the script has another GUID; a flow sends a name of its own.
    await send(named(1, 'ffffffff-1111-4222-8333-9a9a9a9a9a9a'))
    expect(say(await send('leavers.csv')).repeated).toBe(true)
    expect(await e.imported(ids.connectorId, 1)).toMatchObject([{ state: 'completed', received: 1, stored: 1 }])
  })
})

describe('what is wrong', () => {
  const send = (change: Partial<Parameters<typeof blockRequest>[0]>) =>
    e.send({ token, jobId: target.jobId, fileName: named(1), body: lines(HEADER, row('wrong')), ...change })
  /** Nothing of it was kept. */
  const nothingKept = async (guid: string) => {
    const runs = await e.t.w.t.db.selectFrom('upload_run').select('id').where('run_key', '=', `tmp_${guid}`).execute()
    expect(runs).toEqual([])
  }

  test('with rows is a 2xx whose receipt a person understands, without a word of the rows', async () => {
    const guid = '11111111-1111-4222-8333-9a9a9a9a9a9a'
    const body = lines(
      HEADER,
      row('fine'),
      row('bad', 'at Easter'),
      'Resignation,only,three',
      'Sabbatical,c@contoso.com,,',
    )
    const answer = await send({ fileName: named(1, guid), body })
    expect(answer.status).toBe(200)
    const receipt = say(answer)
    expect(receipt).toMatchObject({ rows: 4, unusable: 3, repeated: false })
    expect(receipt.message).toBe(
      'Block 1 is stored with 4 rows and will be imported. 3 rows cannot be used and go to quarantine, the others are imported. Do not send the file again for it: correct the rows or the mapping.',
    )
    expect(receipt.examples).toHaveLength(3)
    expect(receipt.examples[0]).toBe('line 3: "ResignationDate" date_invalid, expected ISO 8601')
    expect(answer.body).not.toMatch(/contoso|Easter|three/)
  })

  test('with the token is a 401', async () => {
    for (const wrong of ['abc.def.ghi', `${token.slice(0, -3)}abc`, '']) {
      const answer = await send({ token: wrong })
      expect([answer.status, answer.reason]).toEqual([401, 'The token is missing, wrong or has expired'])
      expect(answer.headers['www-authenticate']).toBe('Bearer')
    }
  })

  test('with the job is a 403 in the words of Microsoft, whether it is unknown or of another app', async () => {
    const other = await e.target()
    for (const jobId of [other.jobId, '00000000-0000-7000-8000-000000000000', 'x']) {
      const answer = await send({ jobId })
      expect([answer.status, answer.reason]).toEqual([403, 'jobId and corresponding appId do not match.'])
    }
    const { body } = await e.admin.get(`/connectors/${target.connectorId}/microsoft-upload`)
    expect(body).toMatchObject({ lastRefusal: 'upload_job_mismatch', lastRefusedAt: expect.any(String) })
  })

  test('with the whole block is a refusal that names the column and keeps nothing', async () => {
    const guid = '22222222-1111-4222-8333-9a9a9a9a9a9a'
    const answer = await send({
      fileName: named(1, guid),
      body: lines('HRScenario,EmailAddress,LastWorkingDate', 'Resignation,a@contoso.com,2024-01-01'),
    })
    expect(answer.status).toBe(422)
    expect(answer.reason).toContain('ResignationDate')
    expect(say(answer)).toMatchObject({ error: 'file_header_missing', fix: expect.any(String) })
    expect((await send({ fileName: named(1, guid), body: '' })).status).toBe(422)
    expect(
      (
        await send({
          fileName: named(1, guid),
          body: lines(HEADER.replace('LastWorkingDate', 'EmailAddress'), row('a')),
        })
      ).status,
    ).toBe(422)
    await nothingKept(guid)
  })

  test('with the form is a 400: no boundary, no part, cut short', async () => {
    const whole = blockRequest({
      token,
      jobId: target.jobId,
      fileName: named(1, GUID.replace('d0', 'e0')),
      body: lines(HEADER, row('cut')),
      boundary: 'bound',
    })
    const form = whole.subarray(whole.indexOf('\r\n\r\n') + 4)
    const type = 'Content-Type: multipart/form-data; boundary=bound'
    for (const [headers, body] of [
      [['Content-Type: multipart/form-data'], form],
      [[type], Buffer.from('nothing of a form')],
      [[type], Buffer.alloc(0)],
      [[type], form.subarray(0, 200)],
      [[type], form.subarray(0, form.length - 12)],
      [[type, 'Content-Encoding: gzip'], form],
    ] as const) {
      const answer = await raw(`/api/signals?jobid=${target.jobId}`, [bearer(), ...headers], body)
      expect([400, 422], answer.body).toContain(answer.status)
    }
    expect(
      (await raw(`/api/signals?jobid=${target.jobId}`, [bearer(), type, 'Content-Encoding: br'], form)).status,
    ).toBe(415)
    await nothingKept(GUID.replace('d0', 'e0'))
  })

  test('with the method or the endpoint is said', async () => {
    const get = await exchange(e.port, Buffer.from('GET /api/signals HTTP/1.1\r\nHost: x\r\n\r\n'))
    expect([get.status, get.headers['allow']]).toEqual([405, 'POST'])
    const badges = await raw(
      `/api/signals/physicalbadging?jobid=${target.jobId}`,
      [bearer(), 'Content-Type: application/json'],
      '[]',
    )
    expect([badges.status, say(badges).fix]).toEqual([400, 'Send a CSV file to api/signals.'])
  })

  test('is answered only after the whole body was read, so that the answer arrives', { timeout: TIMEOUT }, async () => {
    // 20 MB that nobody wants: a refusal in the middle would reset the connection, and the script would go on.
    const large = Buffer.alloc(20_000_000, 'x')
    const unsigned = await send({ token: 'wrong', body: large })
    expect(unsigned.status).toBe(401)
    for (const type of ['multipart/form-data', 'multipart/form-data; boundary=other']) {
      const noForm = await raw(`/api/signals?jobid=${target.jobId}`, [bearer(), `Content-Type: ${type}`], large)
      expect([noForm.status, say(noForm).error]).toEqual([400, 'invalid_request'])
    }
    await using small = await edge({ workers: false, maxBytes: 1_000_000 })
    const ids = await small.target()
    const answer = await small.send({
      token: await small.token(ids),
      jobId: ids.jobId,
      fileName: named(1),
      body: large,
    })
    expect([answer.status, say(answer).error]).toEqual([413, 'body_too_large'])
    const bomb = await gzipBomb('', '\0', 300)
    const own = await small.token(ids)
    const bombed = await raw(
      `/api/signals?jobid=${ids.jobId}`,
      [`Authorization: Bearer ${own}`, 'Content-Encoding: gzip'],
      bomb,
      small.port,
    )
    expect(bombed.status).toBe(413)
  })
})

test('badge events come as JSON: an array, a single object, Latin-1; once', { timeout: TIMEOUT }, async () => {
  const connectorId = await e.t.w.connector('physical-badging', {})
  const path = `/connectors/${connectorId}/microsoft-upload`
  const { body: access } = await e.admin.post(`${path}/enable`)
  expect(access).toMatchObject({ script: 'json', enabled: true, jobId: connectorId })
  const { body: made } = await e.admin.post(`${path}/secrets`, { json: { expiresInDays: 1 } })
  const own = await e.token({ ...access, appSecret: made.secret })
  const event = (UserId: string, AssetName: string) => ({
    UserId,
    AssetId: 'DC1-CAGE-7',
    AssetName,
    EventTime: '2026-03-01T22:14:09',
    AccessStatus: 'Failed',
  })
  const send = (body: Buffer | string, path = `/api/signals/physicalbadging?jobid=${connectorId}`) =>
    raw(path, ['Accept: application/json', `Authorization: Bearer ${own}`, 'Content-Type: application/json'], body)
  const many = JSON.stringify([event('a@contoso.com', 'Cage'), event('b@contoso.com', 'Cage')], null, 4)
  expect(say(await send(many))).toMatchObject({
    block: null,
    rows: 2,
    unusable: 0,
    message: 'The file is stored with 2 rows and will be imported.',
  })
  expect(say(await send(many, `//api/signals/physicalbadging?JobID=${connectorId}`)).repeated).toBe(true)
  expect(say(await send(JSON.stringify(event('c@contoso.com', 'Cage')))).rows).toBe(1)
  expect(say(await send(Buffer.from(JSON.stringify(event('d@contoso.com', 'Café')), 'latin1'))).rows).toBe(1)
  const wrong = await e.send({ token: own, jobId: connectorId, fileName: named(1), body: lines(HEADER, row('a')) })
  expect(wrong.status).toBe(400)
  const imports = await e.imported(connectorId, 3)
  expect(imports.filter(({ state }) => state === 'completed').map(({ stored }) => stored)).toEqual(
    expect.arrayContaining([2, 1, 1]),
  )
})
