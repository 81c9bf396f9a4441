import { z } from 'zod'
import { CONTENT_TYPES } from './content-types.ts'

const guid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'a GUID')
const domain = z
  .string()
  .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/i, 'a domain')
  .transform((name) => name.toLowerCase())

export const config = z.strictObject({
  // The API takes no domain name in its place.
  tenantId: guid.meta({ title: 'Tenant id' }),
  clientId: z.string().min(1).meta({ title: 'Application (client) id' }),
  clientSecret: z.string().min(1).meta({ title: 'Client secret', secret: true }),
  contentTypes: z
    .array(z.enum(CONTENT_TYPES))
    .min(1)
    .default([...CONTENT_TYPES])
    .meta({ title: 'Content types to read' }),
  startSubscriptions: z
    .boolean()
    .default(false)
    .meta({ title: 'Start the subscription of a content type at Microsoft where there is none' }),
  internalDomains: z
    .array(domain)
    .max(500)
    .default([])
    .meta({ title: 'Mail domains of the organisation; without them only what Microsoft calls a guest is outside' }),
  startDaysBack: z.int().min(1).max(7).default(7).meta({ title: 'Days that the first import looks back' }),
  publisherId: guid
    .optional()
    .meta({ title: 'Tenant id by which Microsoft counts the requests; the tenant’s own unless set' }),
  apiUrl: z.url().default('https://manage.office.com').meta({ title: 'Address of the API' }),
  loginUrl: z.url().default('https://login.microsoftonline.com').meta({ title: 'Address of the sign-in' }),
})
export type OfficeConfig = z.output<typeof config>
