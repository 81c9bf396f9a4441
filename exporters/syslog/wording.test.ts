import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { manifestDigest } from '../../db/deliveries.ts'
import { sha256 } from '../../db/hash.ts'
import type { AlertEvent, AlertEvidence } from '../../domain/alert.ts'
import { aManifest, anAlert, hostileAlert, hostileManifest, hostileText, someEvidence } from '../contract-events.ts'
import { payloadHash } from '../payload-hash.ts'
import { cef, cleaned, cut, extensionValue, headerField, KEY_LIMITS } from './cef.ts'
import { MAX_MESSAGE_BYTES, syslogFrame, syslogMessage } from './frame.ts'
import { octetCounted, parameterValue } from './rfc5424.ts'

const context = { hostname: 'irm.example.com', productVersion: '1.2.3' }
const settings = { facility: 13, enterpriseId: '32473', appName: 'openirm' }
const origin = { version: '1.2.3', hostname: 'irm.example.com', number: 7, payloadHash: 'f'.repeat(64) }
const message = (event: Parameters<typeof syslogMessage>[1]) => syslogMessage(7, event, settings, context)

/** Reads CEF character by character, knowing only the standard. Throws at anything that it does not allow. */
function readCef(text: string) {
  const fields: string[] = []
  let at = 0
  for (let field = ''; fields.length < 7; at++) {
    const c = text[at]
    if (c === undefined || c === '\n' || c === '\r') throw new Error(`header ends at ${at}`)
    if (c === '\\') {
      at += 1
      if (text[at] !== '\\' && text[at] !== '|') throw new Error(`escape at ${at}`)
      field += text[at]
    } else if (c === '|') {
      fields.push(field)
      field = ''
    } else field += c
  }
  const extension: Record<string, string> = {}
  while (at < text.length) {
    const equals = text.indexOf('=', at)
    const key = text.slice(at, equals)
    if (!/^[A-Za-z0-9]+$/.test(key) || key in extension) throw new Error(`key ${JSON.stringify(key)}`)
    // The value ends before the last space in front of the next unescaped equals sign.
    let value = ''
    let space = -1
    let end = text.length
    const marks: [number, string][] = []
    for (at = equals + 1; at < text.length; at++) {
      const c = text[at] as string
      if (c === '\n' || c === '\r') throw new Error(`line end at ${at}`)
      if (c === '=') {
        if (space === -1) throw new Error(`equals at ${at}`)
        end = space
        break
      }
      if (c === ' ') space = at
      if (c === '\\') {
        const escaped = { '\\': '\\', '=': '=', n: '\n', r: '\r' }[text[at + 1] ?? '']
        if (escaped === undefined) throw new Error(`escape at ${at}`)
        marks.push([at, escaped])
        at += 1
      } else marks.push([at, c])
    }
    for (const [place, c] of marks) if (place < end) value += c
    if (value !== value.trim()) throw new Error(`spaces around ${key}`)
    extension[key] = value
    at = end + 1
  }
  const [version, vendor, product, deviceVersion, classId, name, severity] = fields
  return { version, vendor, product, deviceVersion, classId, name, severity, extension }
}

/** Reads RFC 5424 by its grammar. */
function readSyslog(text: string) {
  const head = /^<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) \[([!#-<>-\\^-~]{1,32})/.exec(text)
  if (!head) throw new Error('header')
  let at = head[0].length
  const parameters: Record<string, string> = {}
  for (;;) {
    const parameter = /^ ([!#-<>-\\^-~]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"/.exec(text.slice(at))
    if (!parameter) break
    parameters[parameter[1] as string] = (parameter[2] as string).replace(/\\(.)/g, '$1')
    at += parameter[0].length
  }
  if (text.slice(at, at + 2) !== '] ') throw new Error(`structured data ends at ${at}`)
  const [, pri, timestamp, hostname, appName, procId, msgId, id] = head
  return { pri, timestamp, hostname, appName, procId, msgId, id, parameters, message: text.slice(at + 2) }
}

const spoken = (text: string, limit: number) => cut(cleaned(text), limit)
const evidenceText = (evidence: readonly AlertEvidence[]) =>
  evidence.map((each) => `${each.day} ${each.title}: ${each.because}`).join('; ')

describe('an alert as CEF', () => {
  test('reads as the standard has it', () => {
    expect(cef(anAlert(), origin)).toBe(
      'CEF:0|OpenIRM|OpenIRM|1.2.3|data-theft-departing|Data theft by departing users|8|' +
        'externalId=01936a3e-0c1d-7c3a-9b7e-0123456789ab rt=1772698530250 cat=InsiderRiskManagement act=updated ' +
        'suser=ANON-7Q2K suid=01936a3e-0000-7000-8000-00000000f00d dvchost=irm.example.com ' +
        'start=1772443935000 end=1772643600500 cs1Label=alertId cs1=01936a3e-0000-7000-8000-00000000a1e7 ' +
        'cs2Label=policyId cs2=01936a3e-0000-7000-8000-0000000b0110 cs3Label=status cs3=confirmed ' +
        'cs4Label=evidence cs4=2026-03-03 Unusual volume of downloads: 412 objects, the own daily mean before was 37.5.; ' +
        '2026-03-03 Unusual volume of downloads: 412 objects, the own daily mean before was 37.5. ' +
        'cs5Label=policyName cs5=Data theft by departing users cs6Label=change cs6=confirmed ' +
        'cn1Label=riskScore cn1=87 cn2Label=deliveryNumber cn2=7 cn3Label=revision cn3=2 ' +
        `flexString1Label=payloadSha256 flexString1=${'f'.repeat(64)} flexString2Label=evidenceOmitted flexString2=0 cnt=2 ` +
        'request=https://irm.example.com/alerts/01936a3e-0000-7000-8000-00000000a1e7?tab\\=all ' +
        'msg=confirmed: risk score 87.4, severity high, 2 insights, status confirmed, blind for a time: amazon-s3',
    )
  })

  test('says why the platform made a version, and nothing where somebody acted', () => {
    const message = (because: string | null) =>
      readCef(cef(anAlert({ because, blind_spots: [] }), origin)).extension['msg']
    const plain = 'confirmed: risk score 87.4, severity high, 2 insights, status confirmed'
    expect(message(null)).toBe(plain)
    const because = 'The score fell from 60 to 0: its source closed a finding as harmless.'
    expect(message(because)).toBe(`${plain}. ${because}`)
  })

  test.each([
    ['low', '3'],
    ['medium', '6'],
    ['high', '8'],
  ] as const)('severity %s is %s', (severity, number) => {
    expect(readCef(cef(anAlert({ severity }), origin)).severity).toBe(number)
  })

  test.each([
    ['created', 'created'],
    ['rescored', 'updated'],
    ['reopened', 'updated'],
    ['dismissed', 'closed'],
    ['resolved', 'closed'],
  ] as const)('the change %s is the act %s and stays readable', (change, act) => {
    expect(readCef(cef(anAlert({ change }), origin)).extension).toMatchObject({ act, cs6: change })
  })

  test('an activity that is not known has no key', () => {
    const { extension } = readCef(cef(anAlert({ first_activity: null, last_activity: null }), origin))
    expect(extension).not.toHaveProperty('start')
    expect(extension).not.toHaveProperty('end')
  })

  test('gives back what went in, whatever the texts hold', () => {
    fc.assert(
      fc.property(hostileAlert, (event) => {
        const read = readCef(cef(event, origin))
        expect(read).toMatchObject({ version: 'CEF:0', vendor: 'OpenIRM', classId: event.policy.template })
        expect(read.name).toBe(spoken(event.policy.name.replace(/[\r\n]+/g, ' '), 512) || '-')
        const expected: Record<string, string> = {
          externalId: event.event_id,
          suser: spoken(event.user.pseudonym, 1023),
          cs1: event.alert_id,
          cs4: spoken(evidenceText(event.evidence), 4000),
          cs5: spoken(event.policy.name, 4000),
          request: spoken(event.link, 1023),
          cnt: String(event.evidence.length + event.evidence_omitted),
        }
        for (const [key, value] of Object.entries(expected)) expect(read.extension[key] ?? '', key).toBe(value)
        for (const [key, value] of Object.entries(read.extension)) {
          expect(value.length, key).toBeLessThanOrEqual(KEY_LIMITS[key as keyof typeof KEY_LIMITS])
        }
        for (const key of Object.keys(read.extension).filter((each) => /^(cs|cn|flexString)\d$/.test(each))) {
          expect(read.extension, key).toHaveProperty(`${key}Label`)
        }
      }),
    )
  })

  test('a text cannot bring a key of its own', () => {
    const event = anAlert({ policy: { ...anAlert().policy, name: 'x|9|suser=mallory\nexternalId=1 cn1=0' } })
    const { name, extension } = readCef(cef(event, origin))
    expect(name).toBe('x|9|suser=mallory externalId=1 cn1=0')
    expect(extension).toMatchObject({
      suser: 'ANON-7Q2K',
      externalId: event.event_id,
      cn1: '87',
      cs5: 'x|9|suser=mallory\nexternalId=1 cn1=0',
    })
  })
})

describe('single values', () => {
  test('escape what the standard names and nothing else', () => {
    expect(extensionValue(' a=b|c\\d\r\ne f ', 1023)).toBe('a\\=b|c\\\\d\\r\\ne f')
    expect(headerField(' a=b|c\\d\r\ne f ', 512)).toBe('a=b\\|c\\\\d e f')
    expect(headerField(' \n ', 512)).toBe('-')
    expect(parameterValue('a"b\\c]d[e=f')).toBe('a\\"b\\\\c\\]d[e=f')
  })

  test('are never cut inside a character', () => {
    expect(cut('ab😀', 3)).toBe('ab')
    expect(cut('ab😀', 4)).toBe('ab😀')
    fc.assert(
      fc.property(hostileText(), fc.nat(40), (text, limit) => {
        const short = cut(cleaned(text), limit)
        expect(short.length).toBeLessThanOrEqual(limit)
        expect(cleaned(short)).toBe(short)
      }),
    )
  })
})

describe('a manifest as CEF', () => {
  test('has a class of its own and every number it states', () => {
    const read = readCef(cef(aManifest(), origin))
    expect(read).toMatchObject({ classId: 'openirm-manifest', name: 'Delivery manifest', severity: '0' })
    expect(read.extension).toMatchObject({
      externalId: aManifest().event_id,
      deviceExternalId: aManifest().destination_id,
      cs1Label: 'manifestSha256',
      cs1: 'b'.repeat(64),
      cs2Label: 'auditHead',
      cs2: 'c'.repeat(64),
      cs3: '2026-03-05',
      cn1Label: 'firstNumber',
      cn1: '1',
      cn2Label: 'deliveryNumber',
      cn2: '7',
      cn3Label: 'lastNumber',
      cn3: '41',
      cnt: '41',
    })
  })

  test('of a day without deliveries names no numbers', () => {
    const { extension } = readCef(cef(aManifest({ first_number: null, last_number: null, count: 0 }), origin))
    expect(extension).toMatchObject({ cnt: '0' })
    expect(Object.keys(extension)).not.toEqual(expect.arrayContaining([expect.stringMatching(/^cn[13]/)]))
  })
})

describe('a message of RFC 5424', () => {
  test('carries the event time and the ids', () => {
    expect(readSyslog(message(anAlert()))).toEqual({
      pri: '107',
      timestamp: '2026-03-05T08:15:30.250Z',
      hostname: 'irm.example.com',
      appName: 'openirm',
      procId: '-',
      msgId: 'alert.confirmed',
      id: 'openirm@32473',
      parameters: {
        event_id: anAlert().event_id,
        number: '7',
        alert_id: anAlert().alert_id,
        revision: '2',
        payload_sha256: payloadHash(anAlert()),
      },
      message: cef(anAlert(), { ...origin, payloadHash: payloadHash(anAlert()) }),
    })
  })

  test.each([
    ['low', '109'],
    ['medium', '108'],
    ['high', '107'],
  ] as const)('severity %s makes PRI %s', (severity, pri) => {
    expect(readSyslog(message(anAlert({ severity }))).pri).toBe(pri)
  })

  test('a host name that is none leaves a dash, a long one is cut', () => {
    const named = (hostname: string) =>
      readSyslog(syslogMessage(7, anAlert(), settings, { ...context, hostname })).hostname
    expect(named(' \n')).toBe('-')
    expect(named('häuser lang')).toBe('huserlang')
    expect(named('h'.repeat(300))).toBe('h'.repeat(255))
  })

  test('counts bytes, not characters', () => {
    expect(octetCounted('é😀')).toBe('6 é😀')
    fc.assert(
      fc.property(fc.oneof(hostileAlert, hostileManifest), (event) => {
        const bytes = Buffer.from(syslogFrame(7, event, settings, context))
        const space = bytes.indexOf(0x20)
        expect(Number(bytes.subarray(0, space).toString())).toBe(bytes.length - space - 1)
      }),
    )
  })

  test('is one line of UTF-8 that both readers read, and never longer than its bound', () => {
    fc.assert(
      fc.property(hostileAlert, (event) => {
        const text = message(event)
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_MESSAGE_BYTES)
        expect(Buffer.from(text).toString()).toBe(text)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be left
        expect(text).not.toMatch(/[\u0000-\u001f]/)
        const read = readSyslog(text)
        const { extension } = readCef(read.message)
        expect(read.parameters).toMatchObject({
          event_id: event.event_id,
          alert_id: event.alert_id,
          payload_sha256: payloadHash(event),
        })
        expect(Number(extension['cnt'])).toBe(event.evidence.length + event.evidence_omitted)
        expect(extension['externalId']).toBe(event.event_id)
      }),
    )
  })

  test('lets a receiver recompute a manifest from either of its two parts', () => {
    const events = [anAlert(), anAlert({ event_id: '01936a3e-0000-7000-8000-000000000002' }), aManifest()]
    const sent = manifestDigest(
      events.map((event, index) => ({
        number: index + 1,
        event_id: event.event_id,
        payload_sha256: payloadHash(event),
      })),
    )
    const read = events.map((event, index) => readSyslog(syslogMessage(index + 1, event, settings, context)))
    const fromHead = read.map(({ parameters: p }) => `${p['number']} ${p['event_id']} ${p['payload_sha256']}\n`)
    const fromCef = read.map(({ message: text }) => {
      const { extension } = readCef(text)
      return `${extension['cn2']} ${extension['externalId']} ${extension['flexString1']}\n`
    })
    expect(sha256(fromHead.join(''))).toBe(sent)
    expect(sha256(fromCef.join(''))).toBe(sent)
  })

  test('too long, it loses the least weighty evidence and says how much', () => {
    const evidence = Array.from({ length: 100 }, (_, index) =>
      someEvidence({ title: `insight ${index}`, because: 'x'.repeat(100), weight: ((index * 37) % 100) / 100 }),
    )
    const event: AlertEvent = anAlert({ evidence, evidence_omitted: 5 })
    const { extension } = readCef(readSyslog(message(event)).message)
    const omitted = Number(extension['flexString2'])
    const kept = evidence.length + 5 - omitted
    const strongest = [...evidence].sort((a, b) => b.weight - a.weight).slice(0, kept)
    expect(extension['cs4']).toBe(evidenceText(evidence.filter((each) => strongest.includes(each))))
    expect(extension['cnt']).toBe('105')
    // One more would not have fitted.
    const more = [...evidence].sort((a, b) => b.weight - a.weight).slice(0, kept + 1)
    expect(evidenceText(more).length).toBeGreaterThan(4_000)
  })
})
