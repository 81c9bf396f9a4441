import { z } from 'zod'

export const config = z.strictObject({
  appKey: z.string().min(1).meta({ title: 'App key of the team-scoped app' }),
  appSecret: z.string().min(1).meta({ title: 'App secret', secret: true }),
  refreshToken: z.string().min(1).meta({ title: 'Refresh token of a team admin', secret: true }),
  startDaysBack: z.int().min(1).max(365).default(7).meta({ title: 'Days that the first import looks back' }),
  apiUrl: z.url().default('https://api.dropboxapi.com').meta({ title: 'Address of the API' }),
})
export type DropboxConfig = z.output<typeof config>
