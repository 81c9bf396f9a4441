import { expect, test } from 'vitest'
import { replaceNames, tokensOfIdentifier, tokensOfName } from './name-tokens.ts'

const masked = (text: string, tokens: readonly string[]) =>
  replaceNames(text, (token) => (tokens.includes(token) ? 'ANON' : undefined))

test.each([
  ['Jörg', 'Müller', 'Jörg Müller, J. Mueller and muller left', 'ANON, J. ANON and ANON left'],
  ['Anna-Lena', 'Müller-Schmidt', 'Anna-Lena Müller-Schmidt called', 'ANON called'],
  ['Anna-Lena', 'Müller-Schmidt', 'Frau Schmidt and Anna Müller-Schmidt', 'Frau ANON and ANON'],
  ['Søren', 'Åberg', 'reports/aaberg/plan.pdf', 'reports/ANON/plan.pdf'],
  ['María del Carmen', 'García López', 'María del Carmen García López', 'ANON'],
  ['Vincent', 'van der Berg', 'the van of van der Berg', 'the van of ANON'],
  ['', 'Suharto', 'Suharto came', 'ANON came'],
  ['Wei', 'Li', 'Wei Li read li-2.csv', 'ANON read li-2.csv'],
])('%s %s is replaced in: %s', (first, last, text, expected) => {
  expect(masked(text, tokensOfName(first, last))).toBe(expected)
})

test('an account is replaced in every writing of it, and an unknown address says nothing', () => {
  const tokens = tokensOfIdentifier({ scheme: 'address', value: 'Dana.Smith@Example.com' })
  expect(masked('dana.smith@example.com, dana_smith.zip, DANA SMITH', tokens)).toBe('ANON, ANON.zip, ANON')
  expect(masked('write to who@elsewhere.org', tokens)).toBe('write to [address]')
  expect(masked('the admin of the backup', tokensOfIdentifier({ scheme: 'user_name', value: 'admin' }))).toBe(
    'the admin of the backup',
  )
})
