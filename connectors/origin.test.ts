import { createRequire } from 'node:module'
import fc from 'fast-check'
import { type CountryResponse, open } from 'maxmind'
import { expect, test } from 'vitest'
import { openOriginLookup } from './origin.ts'

const DATABASE = createRequire(import.meta.url).resolve(
  '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb',
)

test('the country is what the database says of the address, whatever of its network was asked before', async () => {
  const origin = await openOriginLookup()
  const database = await open<CountryResponse & { country_code?: string }>(DATABASE)
  const byte = fc.nat(255)
  // Some of each network, the borders of networks within it among them.
  const lows = fc.array(fc.oneof(byte, fc.constantFrom(0, 127, 128, 255)), { minLength: 2, maxLength: 20 })
  fc.assert(
    fc.property(byte, byte, lows, (first, second, thirds) => {
      for (const third of [...thirds, ...thirds]) {
        const ip = `${first}.${second}.${third}.77`
        const country = database.get(ip)?.country_code ?? null
        expect(origin(ip), ip).toEqual({ network: `${first}.${second}.0.0/16`, country })
      }
    }),
    { numRuns: 2_000 },
  )
})

test('an address of another form, or in no network of a country, is not taken for one of these', async () => {
  const origin = await openOriginLookup()
  expect(origin('8.8.8.8')).toEqual({ network: '8.8.0.0/16', country: 'US' })
  expect(origin('255.255.255.255')).toEqual({ network: '255.255.0.0/16', country: null })
  expect(origin('::ffff:8.8.8.8').network).toBe('8.8.0.0/16')
  expect(origin('2001:4860:4860::8888')).toEqual({ network: '2001:4860::/32', country: 'US' })
  expect(origin(undefined)).toEqual({ network: null, country: null })
})
