import { describe, expect, test } from 'vitest'
import { connectorKinds } from './kinds.ts'
import { correct, type ValueRule, valueRules } from './value-rules.ts'

const one = (rule: ValueRule, value: unknown) => correct({ other: 'x', Cell: value }, [rule]).Cell

describe('a rule', () => {
  test.each<[string, ValueRule, unknown, unknown]>([
    ['trims', { rule: 'trim', cell: 'cell' }, ' \u00a0a b\t', 'a b'],
    ['takes a prefix away', { rule: 'strip', cell: 'CELL', prefix: 'CORP\\' }, 'CORP\\abc', 'abc'],
    ['takes a suffix away', { rule: 'strip', cell: 'cell', suffix: ' (ext)' }, 'abc (ext)', 'abc'],
    ['leaves what does not begin so', { rule: 'strip', cell: 'cell', prefix: 'CORP\\' }, 'abc', 'abc'],
    ['replaces a whole value', { rule: 'replace', cell: 'cell', from: 'n/a', to: '' }, 'n/a', ''],
    ['replaces no part of one', { rule: 'replace', cell: 'cell', from: 'n/a', to: '' }, 'n/a or so', 'n/a or so'],
    ['replaces a number', { rule: 'replace', cell: 'cell', from: '1', to: 'Success' }, 1, 'Success'],
    ['reads a day', { rule: 'date', cell: 'cell', format: 'DD.MM.YYYY' }, '31.3.2026', '2026-03-31'],
    [
      'reads a wall clock',
      { rule: 'date', cell: 'cell', format: 'MM/DD/YYYY' },
      '03/31/2026 1:05 pm',
      '2026-03-31T13:05:00',
    ],
    [
      'leaves a day that does not exist',
      { rule: 'date', cell: 'cell', format: 'DD.MM.YYYY' },
      '31.02.2026',
      '31.02.2026',
    ],
    [
      'leaves what is written the usual way',
      { rule: 'date', cell: 'cell', format: 'DD.MM.YYYY' },
      '2026-03-31',
      '2026-03-31',
    ],
    ['leaves what is no text', { rule: 'trim', cell: 'cell' }, null, null],
  ])('%s', (_, rule, before, after) => expect(one(rule, before)).toEqual(after))

  test('finds a nested field, whose names may hold dots, and a place of a list; nothing else is touched', () => {
    const record = { event: { '.tag': ' a ', at: [' b ', { 'x.y': ' c ' }] }, same: { untouched: ' d ' } }
    const cells = ['event..tag', 'event.at.0', 'EVENT.at.1.X.Y', 'event.missing', 'same.untouched.deeper']
    const corrected = correct(
      record,
      cells.map((cell) => ({ rule: 'trim', cell })),
    )
    expect(corrected).toEqual({ event: { '.tag': 'a', at: ['b', { 'x.y': 'c' }] }, same: { untouched: ' d ' } })
    expect(record.event).toEqual({ '.tag': ' a ', at: [' b ', { 'x.y': ' c ' }] })
    expect(corrected.same).toBe(record.same)
  })

  test('that changes nothing leaves the record itself', () => {
    const record = { cell: 'a' }
    expect(correct(record, [{ rule: 'trim', cell: 'cell' }])).toBe(record)
    expect(correct('no object', [{ rule: 'trim', cell: 'cell' }])).toBe('no object')
  })

  test('reaches no prototype', () => {
    const record = JSON.parse('{"__proto__": {"cell": " a "}}')
    const corrected = correct(record, [{ rule: 'trim', cell: '__proto__.cell' }])
    expect(Object.entries(corrected)).toEqual([['__proto__', { cell: 'a' }]])
    expect(({} as Record<string, unknown>)['cell']).toBeUndefined()
  })
})

test('rules work in their order', () => {
  const rules: ValueRule[] = [
    { rule: 'trim', cell: 'at' },
    { rule: 'strip', cell: 'at', prefix: 'on ' },
    { rule: 'date', cell: 'at', format: 'YYYY/MM/DD' },
  ]
  expect(correct({ at: ' on 2026/3/1 ' }, rules)).toEqual({ at: '2026-03-01' })
})

test.each([
  ['an unknown rule', { rule: 'guess', cell: 'a' }],
  ['no cell', { rule: 'trim' }],
  ['nothing to strip', { rule: 'strip', cell: 'a' }],
  ['a strip of nothing', { rule: 'strip', cell: 'a', prefix: '' }],
  ['ISO to ISO', { rule: 'date', cell: 'a', format: 'iso' }],
  ['an address of somebody', { rule: 'replace', cell: 'a', from: 'x', to: ' Ada@example.com ' }],
  ['a text without end', { rule: 'replace', cell: 'a', from: 'x'.repeat(201), to: '' }],
])('%s is refused', (_, rule) => expect(valueRules.safeParse([rule]).success).toBe(false))

test('every kind takes them in its settings', () => {
  expect(connectorKinds.size).toBeGreaterThan(10)
  for (const [id, { config }] of connectorKinds) {
    const shape = (config as unknown as { shape: Record<string, unknown> }).shape
    expect(Object.keys(shape), id).toContain('valueRules')
  }
})
