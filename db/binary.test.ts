import fc from 'fast-check'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { testDatabase } from '../test/harness/database.ts'
import { address4Of, address6Of } from './address.ts'
import {
  BinaryRows,
  bigints,
  COPY_HEADER,
  COPY_TRAILER,
  days,
  instants,
  int8s,
  texts,
  uuids,
  viewOf,
} from './binary.ts'
import { ImportSession } from './import-session.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((value) => value.replaceAll('\0', ''))
const whole = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, -1, 2 ** 32, -(2 ** 32), 2 ** 31))
const instant = fc.integer({ min: Date.UTC(1900, 0, 1), max: Date.UTC(2200, 11, 31) })
const network = fc.ipV4().map((ip) => `${ip.split('.').slice(0, 2).join('.')}.0.0/16`)
const row = fc.record({
  small: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  whole: fc.option(whole),
  long: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  real: fc.double({ noNaN: true, noDefaultInfinity: true }),
  yes: fc.boolean(),
  instant,
  key: fc.uuid(),
  text,
  texts: fc.array(text, { minLength: 1, maxLength: 4 }),
  ip: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom('::', '::ffff:198.51.100.7', '2001:db8::')),
  network: fc.oneof(network, fc.constantFrom('2001:db8::/32')),
})

function write(rows: BinaryRows, drawn: typeof row extends fc.Arbitrary<infer Row> ? Row : never): void {
  rows.row(11)
  rows.int4(drawn.small)
  if (drawn.whole === null) rows.none()
  else rows.int8(drawn.whole)
  rows.int8Text(drawn.long)
  rows.float8(drawn.real)
  rows.bool(drawn.yes)
  rows.instant(drawn.instant)
  rows.raw(viewOf(Buffer.from(drawn.key.replaceAll('-', ''), 'hex')), 0, 16)
  rows.text(drawn.text)
  rows.texts(drawn.texts)
  for (const address of [drawn.ip, drawn.network]) {
    const number = address4Of(address)
    const [, bits = '32'] = address.split('/')
    if (number === -1) rows.address(address6Of(address) as NonNullable<ReturnType<typeof address6Of>>)
    else rows.address4(number, Number(bits), address.includes('/'))
  }
}

test('what is written in binary is what PostgreSQL reads from text', async () => {
  await using t = await testDatabase()
  await using session = await ImportSession.open(t.url)
  const columns = `small int, whole bigint, long bigint, real float8, yes boolean, instant timestamptz(3), key uuid,
    text text, texts text[], ip inet, network cidr`
  await sql.raw(`create temp table drawn (n serial, ${columns})`).execute(session.db)
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (all) => {
      await session.transaction(async (tx) => {
        await sql`truncate drawn restart identity`.execute(tx)
        const rows = new BinaryRows(4)
        for (const each of all) write(rows, each)
        const names = columns.split(',').map((column) => column.trim().split(' ')[0])
        await session.copy(`copy drawn (${names.join(', ')}) from stdin (format binary)`, [
          COPY_HEADER,
          rows.bytes.subarray(0, rows.length),
          COPY_TRAILER,
        ])
        const instants = all.map((each) => ({ ...each, instant: new Date(each.instant).toISOString() }))
        const { rows: differing } = await sql`
          select drawn.n from drawn join jsonb_array_elements(${JSON.stringify(instants)}::jsonb) with ordinality as said (value, n)
            on said.n = drawn.n
          cross join lateral jsonb_to_record(said.value) as s (small int, whole bigint, long bigint, real float8,
            yes boolean, instant timestamptz(3), key uuid, text text, texts text[], ip inet, network cidr)
          where (drawn.small, drawn.whole, drawn.long, drawn.real, drawn.yes, drawn.instant, drawn.key, drawn.text,
                 drawn.texts, drawn.ip, drawn.network)
            is distinct from (s.small, s.whole, s.long, s.real, s.yes, s.instant, s.key, s.text, s.texts, s.ip, s.network)`.execute(
          tx,
        )
        expect(differing).toEqual([])
        expect((await sql`select from drawn`.execute(tx)).rows).toHaveLength(all.length)
      })
    }),
    { numRuns: 100, seed: 20260317 },
  )
})

test('arrays in binary are what they say', async () => {
  await using t = await testDatabase()
  const numbers = [0, -1, 2 ** 40, Number.MAX_SAFE_INTEGER]
  const whole = [-(2n ** 63n), null, 2n ** 63n - 1n, null]
  const keys = Buffer.from('00112233445566778899aabbccddeeff'.repeat(2), 'hex')
  const { rows } = await sql`
    select ${bigints(numbers.length, (n) => numbers[n] as number)}::bigint[]::text as numbers,
           ${int8s(whole.length, (n) => whole[n] as bigint | null)}::bigint[]::text as whole,
           ${instants(2, (n) => n * 86_400_123)}::timestamptz[]::text as instants,
           ${days(2, (n) => n * 20_000)}::date[]::text as days,
           ${uuids(2, viewOf(keys), (n) => n * 16)}::uuid[]::text as uuids,
           ${texts(2, (n) => ['ü"{', ''][n] as string)}::text[] as texts, ${bigints(0, () => 0)}::bigint[] as none`.execute(
    t.db,
  )
  expect(rows).toEqual([
    {
      numbers: `{${numbers.join(',')}}`,
      whole: '{-9223372036854775808,NULL,9223372036854775807,NULL}',
      instants: '{"1970-01-01 00:00:00+00","1970-01-02 00:00:00.123+00"}',
      days: '{1970-01-01,2024-10-04}',
      uuids: '{00112233-4455-6677-8899-aabbccddeeff,00112233-4455-6677-8899-aabbccddeeff}',
      texts: ['ü"{', ''],
      none: [],
    },
  ])
})
