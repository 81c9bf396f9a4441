import { z } from 'zod'

const account = z.string().regex(/^\d{12}$/, 'an account id has twelve digits')

export const config = z
  .strictObject({
    bucket: z.string().min(3).max(63).meta({ title: 'Log bucket' }),
    prefix: z.string().default('').meta({ title: 'Prefix before AWSLogs/' }),
    region: z.string().min(2).default('us-east-1').meta({ title: 'Region of the log bucket' }),
    endpoint: z.url().optional().meta({ title: 'Endpoint, for S3 servers other than Amazon' }),
    forcePathStyle: z.boolean().default(false).meta({ title: 'Path-style addresses' }),
    accessKeyId: z.string().min(1).optional().meta({ title: 'Access key id; the environment is used without one' }),
    secretAccessKey: z.string().min(1).optional().meta({ title: 'Secret access key', secret: true }),
    sessionToken: z.string().min(1).optional().meta({ title: 'Session token', secret: true }),
    accounts: z.array(account).default([]).meta({ title: 'Accounts to read; all when empty' }),
    ownAccounts: z.array(account).default([]).meta({ title: 'Further accounts that belong to the organisation' }),
    userDomain: z.string().min(1).optional().meta({ title: 'Mail domain of IAM user names' }),
    startDaysBack: z.int().min(1).max(3650).default(7).meta({ title: 'Days that the first import looks back' }),
  })
  .refine(({ accessKeyId, secretAccessKey }) => (accessKeyId === undefined) === (secretAccessKey === undefined), {
    message: 'an access key is an id and a secret',
    path: ['accessKeyId'],
  })
export type S3Config = z.output<typeof config>
