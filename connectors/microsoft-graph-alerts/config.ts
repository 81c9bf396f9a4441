import { z } from 'zod'

export const config = z.strictObject({
  tenantId: z
    .string()
    .regex(/^[\w.-]+$/, 'an id or a verified domain')
    .meta({ title: 'Tenant id' }),
  clientId: z.string().min(1).meta({ title: 'Application (client) id' }),
  clientSecret: z.string().min(1).meta({ title: 'Client secret', secret: true }),
  startDaysBack: z.int().min(1).max(180).default(7).meta({ title: 'Days that the first import looks back' }),
  api: z
    .enum(['graph', 'defender'])
    .default('graph')
    .meta({ title: 'API that is read; the older one of Defender for Endpoint where Graph has no alerts' }),
  graphUrl: z.url().default('https://graph.microsoft.com').meta({ title: 'Address of Microsoft Graph' }),
  defenderUrl: z
    .url()
    .default('https://api.security.microsoft.com')
    .meta({ title: 'Address of the older API, of the region where there is one' }),
  defenderResource: z
    .url()
    .default('https://api.securitycenter.microsoft.com')
    .meta({ title: 'What a sign-in for the older API asks for' }),
  loginUrl: z.url().default('https://login.microsoftonline.com').meta({ title: 'Address of the sign-in' }),
})
export type GraphAlertsConfig = z.output<typeof config>
