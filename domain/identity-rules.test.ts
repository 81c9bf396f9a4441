import { describe, expect, test } from 'vitest'
import { DEFAULT_RULES, formOfIdentity, identityRules, joinsByForm } from './identity-rules.ts'
import type { Identifier } from './signal.ts'

const rules = identityRules.parse({
  plusAddresses: ['corp.example'],
  domainAliases: [{ domain: 'corp.example', aliases: ['corp.onmicrosoft.com'] }],
  accountNames: [
    { domain: 'corp.example', windowsDomains: ['CORP'], bare: true },
    { domain: 'lab.example', windowsDomains: ['LAB'] },
  ],
  addressUserNames: ['corp.example'],
  signOnSessions: ['corp.example'],
  leadingZeros: true,
})
const shown = (scheme: Identifier['scheme'], value: string, by = rules) => {
  const form = formOfIdentity({ scheme, value }, by)
  return form && [form.text.replace('\u001f', ' '), ...form.rules]
}

describe('the form of an account', () => {
  test.each([
    ['address', 'Anna@Corp.Example', ['address anna@corp.example']],
    ['address', 'anna+news@corp.example', ['address anna@corp.example', 'plus_addresses']],
    ['address', 'anna+news@elsewhere.example', ['address anna+news@elsewhere.example']],
    ['address', '+anna@corp.example', ['address +anna@corp.example']],
    ['address', 'ANNA+x@corp.onmicrosoft.com', ['address anna@corp.example', 'plus_addresses', 'domain_aliases']],
    ['address', 'info@corp.onmicrosoft.com', ['address info@corp.onmicrosoft.com']],
    ['address', 'anna_home.example#EXT#@corp.onmicrosoft.com', null],
    ['user_name', 'CORP\\Anna', ['address anna@corp.example', 'account_names']],
    ['user_name', 'lab\\anna', ['address anna@lab.example', 'account_names']],
    ['user_name', 'OTHER\\anna', null],
    ['user_name', 'CORP\\anna\\x', null],
    ['user_name', 'CORP\\anna\\x', null],
    ['user_name', 'CORP\\Administrator', null],
    ['user_name', 'CORP\\anna\\x', null],
    ['user_name', 'CORP\\anna\\x', null],
    [
      'aws_principal',
      'arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0a1b/Anna@corp.example',
      ['address anna@corp.example', 'sign_on_sessions'],
    ],
    // Whoever may assume a role of their own names its session as they like.
    ['aws_principal', 'arn:aws:sts::111122223333:assumed-role/deploy/anna@corp.example', null],
    ['employee_number', '000123', ['employee_number 123', 'leading_zeros']],
    ['employee_number', '0', ['employee_number 0']],
    ['vendor_id', 'entra:1', null],
  ] as const)('%s %s', (scheme, value, expected) => {
    expect(shown(scheme, value)).toEqual(expected)
  })

  test('without rules joins nothing', () => {
    expect(joinsByForm(DEFAULT_RULES)).toBe(false)
    expect(shown('address', 'anna+x@corp.example', DEFAULT_RULES)).toEqual(['address anna+x@corp.example'])
    expect(shown('user_name', 'CORP\\anna', DEFAULT_RULES)).toBeNull()
    expect(shown('employee_number', '007', DEFAULT_RULES)).toEqual(['employee_number 007'])
  })
})

test.each([
  [
    'two domains of bare names',
    {
      accountNames: [
        { domain: 'a.example', bare: true },
        { domain: 'b.example', bare: true },
      ],
    },
  ],
  [
    'a Windows domain twice',
    {
      accountNames: [
        { domain: 'a.example', windowsDomains: ['CORP'] },
        { domain: 'b.example', windowsDomains: ['corp'] },
      ],
    },
  ],
  [
    'a chain of aliases',
    {
      domainAliases: [
        { domain: 'a.example', aliases: ['b.example'] },
        { domain: 'b.example', aliases: ['c.example'] },
      ],
    },
  ],
  [
    'an alias of two domains',
    {
      domainAliases: [
        { domain: 'a.example', aliases: ['c.example'] },
        { domain: 'b.example', aliases: ['c.example'] },
      ],
    },
  ],
  ['no domain', { plusAddresses: ['corp'] }],
  ['an unknown rule', { nickNames: true }],
] as const)('rules with %s are refused', (_what, settings) => {
  expect(identityRules.safeParse(settings).success).toBe(false)
})
