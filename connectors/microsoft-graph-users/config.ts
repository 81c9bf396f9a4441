import { z } from 'zod'

export const config = z.strictObject({
  tenantId: z
    .string()
    .regex(/^[\w.-]+$/, 'an id or a verified domain')
    .meta({ title: 'Tenant id' }),
  clientId: z.string().min(1).meta({ title: 'Application (client) id' }),
  clientSecret: z.string().min(1).meta({ title: 'Client secret', secret: true }),
  leaveDates: z
    .boolean()
    .default(true)
    .meta({ title: 'Read the leave date of employees; asks for a permission of its own' }),
  graphUrl: z.url().default('https://graph.microsoft.com').meta({ title: 'Address of Microsoft Graph' }),
  loginUrl: z.url().default('https://login.microsoftonline.com').meta({ title: 'Address of the sign-in' }),
})
export type GraphUsersConfig = z.output<typeof config>
