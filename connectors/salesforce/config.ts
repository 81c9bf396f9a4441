import { z } from 'zod'
import { pkcs8Of } from '../http/rsa-key.ts'
import { LEFT_OUT } from './events.ts'

/** Names of event types go into a query. */
const eventType = z.string().regex(/^\w{1,100}$/, 'the name of an event type')

export const SIGN_INS = ['jwt_bearer', 'client_credentials'] as const
export const INTERVALS = { hourly: 'Hourly', daily: 'Daily' } as const
export const NAMED_BY = ['email', 'username', 'federation_id'] as const

export const config = z
  .strictObject({
    url: z.url().meta({ title: 'My Domain address, https://NAME.my.salesforce.com' }),
    signIn: z.enum(SIGN_INS).default('jwt_bearer').meta({ title: 'How the app signs in' }),
    clientId: z.string().min(1).meta({ title: 'Consumer key of the app' }),
    clientSecret: z
      .string()
      .min(1)
      .optional()
      .meta({ title: 'Consumer secret (client credentials alone)', secret: true }),
    privateKey: z
      .string()
      .refine((pem) => pkcs8Of(pem) !== undefined, 'an RSA key in PEM without a passphrase')
      .optional()
      .meta({ title: 'Private key of the app’s certificate, PEM (JWT alone)', secret: true }),
    username: z.string().min(1).optional().meta({ title: 'Username of the integration user (JWT alone)' }),
    loginUrl: z
      .url()
      .default('https://login.salesforce.com')
      .meta({ title: 'Where JWTs are handed in; https://test.salesforce.com for a sandbox' }),
    interval: z
      .enum(Object.keys(INTERVALS) as [keyof typeof INTERVALS, ...(keyof typeof INTERVALS)[]])
      .default('hourly')
      .meta({ title: 'Which files are read: daily ones repeat the hourly ones' }),
    eventTypes: z
      .array(eventType)
      .max(100)
      .default([])
      .meta({ title: 'Only these event types; all but those left out where there are none' }),
    leaveOut: z
      .array(eventType)
      .max(200)
      .default([...LEFT_OUT])
      .meta({ title: 'Event types that are left out' }),
    personBy: z.enum(NAMED_BY).default('email').meta({ title: 'What names a person: a field of the Salesforce user' }),
    quotaShare: z
      .number()
      .min(0.05)
      .max(1)
      .default(0.8)
      .meta({ title: 'Share of the daily API calls of the organisation at which reading pauses' }),
    startDaysBack: z.int().min(1).max(30).default(7).meta({ title: 'Days that the first import looks back' }),
    apiVersion: z
      .string()
      .regex(/^\d{2,3}\.0$/, 'a version such as 62.0')
      .default('62.0')
      .meta({ title: 'Version of the API' }),
  })
  .check((context) => {
    const needed = { jwt_bearer: ['privateKey', 'username'], client_credentials: ['clientSecret'] } as const
    for (const name of needed[context.value.signIn]) {
      if (context.value[name] === undefined)
        context.issues.push({ code: 'custom', path: [name], message: 'needed to sign in', input: undefined })
    }
  })
export type SalesforceConfig = z.output<typeof config>
