import { z } from 'zod'
import { isServiceAccountKey } from './service-account.ts'

const domain = z
  .string()
  .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/i, 'a domain')
  .transform((name) => name.toLowerCase())

export const config = z.strictObject({
  serviceAccountKey: z
    .string()
    .refine(isServiceAccountKey, 'the JSON file of a service account’s key, whole')
    .meta({ title: 'Key of the service account (the JSON file, whole)', secret: true }),
  admin: z.email().meta({ title: 'Address of the admin in whose name the log is read' }),
  internalDomains: z
    .array(domain)
    .max(500)
    .default([])
    .meta({ title: 'Further domains that belong to the organisation, beside the admin’s' }),
  startDaysBack: z.int().min(1).max(180).default(7).meta({ title: 'Days that the first import looks back' }),
  apiUrl: z.url().default('https://admin.googleapis.com').meta({ title: 'Address of the API' }),
  tokenUrl: z
    .url()
    .default('https://oauth2.googleapis.com/token')
    .meta({ title: 'Address where tokens are handed out' }),
})
export type GoogleDriveConfig = z.output<typeof config>
