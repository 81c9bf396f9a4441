import { z } from 'zod'
import { datedSettings } from '../files/settings.ts'
import { JSON_POINTER } from '../http/json-pointer.ts'
import { faultsOf, mappingSettings } from '../mapping/settings.ts'

export const AUTHS = ['none', 'header', 'basic', 'client_credentials'] as const
export const PAGINGS = ['none', 'link_header', 'link_in_body', 'cursor', 'page', 'offset'] as const
export const GOES_ON = ['by_time', 'by_cursor', 'from_start'] as const
export const TIME_FORMS = ['iso', 'iso_seconds', 'unix_seconds', 'unix_milliseconds'] as const

const pointer = z.string().max(500).regex(JSON_POINTER, 'a JSON pointer such as /data/items')
const parameter = z.string().regex(/^[\w.$[\]-]{1,100}$/, 'the name of a parameter')
const headerName = z.string().regex(/^[!#$%&'*+.^_`|~\w-]{1,100}$/, 'the name of a header')
/** What the platform says itself, and what carries a secret. */
const OWN_HEADERS = /^(?:authorization|cookie|host|content-length|connection|transfer-encoding|proxy-.*)$/i

const requestSettings = {
  url: z.url().meta({ title: 'Address of the list; nothing is sent to another host' }),
  method: z.enum(['GET', 'POST']).default('GET').meta({ title: 'Method; with POST the parameters are a JSON body' }),
  parameters: z
    .record(z.string().max(100), z.string().max(1_000))
    .default({})
    .meta({ title: 'Parameters that are always the same' }),
  headers: z
    .record(
      headerName.refine((name) => !OWN_HEADERS.test(name), 'a header without a secret'),
      z.string().max(1_000),
    )
    .default({})
    .meta({ title: 'Headers that are always the same; none that hold a secret' }),
}

const signInSettings = {
  auth: z.enum(AUTHS).default('header').meta({ title: 'How requests are signed in' }),
  headerName: headerName.default('Authorization').meta({ title: 'Name of the header that signs in' }),
  headerSecret: z
    .string()
    .min(1)
    .optional()
    .meta({ title: 'Whole value of that header: Bearer …, Token …, or a bare key', secret: true }),
  username: z.string().min(1).optional().meta({ title: 'User name (basic)' }),
  password: z.string().min(1).optional().meta({ title: 'Password (basic)', secret: true }),
  tokenUrl: z.url().optional().meta({ title: 'Address where tokens are handed out (client credentials)' }),
  clientId: z.string().min(1).optional().meta({ title: 'Client id' }),
  clientSecret: z.string().min(1).optional().meta({ title: 'Client secret', secret: true }),
  clientIn: z
    .enum(['form', 'header'])
    .default('form')
    .meta({ title: 'Where client id and secret are sent: in the form, or by basic authentication' }),
  scope: z.string().max(1_000).optional().meta({ title: 'Scope that is asked for' }),
  audience: z.string().max(1_000).optional().meta({ title: 'Audience that is asked for' }),
}

const pagingSettings = {
  recordsAt: pointer
    .default('')
    .meta({ title: 'Where the records are in an answer; empty when it is the list itself' }),
  paging: z.enum(PAGINGS).default('none').meta({ title: 'How the next page is asked for' }),
  nextAt: pointer.optional().meta({ title: 'Where the next link or cursor is in an answer' }),
  pageParameter: parameter.optional().meta({ title: 'Parameter that carries the cursor, page number or offset' }),
  firstPage: z.int().min(0).max(1).default(1).meta({ title: 'Number of the first page' }),
  sizeParameter: parameter.optional().meta({ title: 'Parameter that carries the page size' }),
  pageSize: z.int().min(1).max(5_000).default(100).meta({ title: 'Records of a page' }),
  shortPageEnds: z
    .boolean()
    .default(false)
    .meta({ title: 'A page with fewer records than the page size is the last (page, offset)' }),
  maxPages: z.int().min(1).max(100_000).default(10_000).meta({ title: 'Pages that one import reads at most' }),
  maxAnswerMegabytes: z.int().min(1).max(64).default(50).meta({ title: 'Size of one answer at most, MB' }),
  requestsPerMinute: z.int().min(1).max(6_000).default(60).meta({ title: 'Requests that the source allows a minute' }),
}

const timeSettings = {
  goesOn: z.enum(GOES_ON).default('by_time').meta({ title: 'Where the next import goes on' }),
  sinceParameter: parameter.optional().meta({ title: 'Parameter that carries the begin of a window' }),
  untilParameter: parameter.optional().meta({ title: 'Parameter that carries its end, where there is one' }),
  timeForm: z.enum(TIME_FORMS).default('iso').meta({ title: 'How times are written in parameters' }),
  windowHours: z.int().min(1).max(744).default(24).meta({ title: 'Hours of a window at most, where it has an end' }),
  overlapMinutes: z
    .int()
    .min(0)
    .max(10_080)
    .default(60)
    .meta({ title: 'Minutes that each import looks behind the last one' }),
  sweepHours: z
    .int()
    .min(0)
    .max(744)
    .default(48)
    .meta({ title: 'Hours that are read again once a day, for what is later; 0 for none, else more than 24' }),
  startDaysBack: z.int().min(1).max(3_660).default(7).meta({ title: 'Days that the first import looks back' }),
  reachDays: z.int().min(1).max(3_660).optional().meta({ title: 'Days that the source keeps' }),
}

/** Settings that others need. */
const NEEDED = {
  auth: {
    none: [],
    header: ['headerSecret'],
    basic: ['username', 'password'],
    client_credentials: ['tokenUrl', 'clientId', 'clientSecret'],
  },
  paging: {
    none: [],
    link_header: [],
    link_in_body: ['nextAt'],
    cursor: ['nextAt', 'pageParameter'],
    page: ['pageParameter'],
    offset: ['pageParameter'],
  },
  goesOn: { by_time: ['sinceParameter'], by_cursor: [], from_start: [] },
} as const

export const config = z
  .strictObject({
    ...requestSettings,
    ...signInSettings,
    ...pagingSettings,
    ...timeSettings,
    ...mappingSettings,
    ...datedSettings,
  })
  .check(({ value, issues }) => {
    const refuse = (path: PropertyKey[], message: string) =>
      issues.push({ code: 'custom', path, message, input: undefined })
    const { auth, paging, goesOn, sweepHours } = value
    for (const name of [...NEEDED.auth[auth], ...NEEDED.paging[paging], ...NEEDED.goesOn[goesOn]])
      if (value[name] === undefined) refuse([name], 'needed by what was chosen')
    if (goesOn === 'by_cursor' && !['link_header', 'link_in_body', 'cursor'].includes(paging))
      refuse(['goesOn'], 'only a cursor or a link can be gone on from')
    if (sweepHours > 0 && sweepHours <= 24) refuse(['sweepHours'], 'a daily sweep has to reach beyond a day')
    for (const fault of faultsOf(value)) refuse(fault.path, fault.message)
  })
export type RestConfig = z.output<typeof config>
