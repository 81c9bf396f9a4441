import { z } from 'zod'

export const config = z
  .strictObject({
    subject: z
      .enum(['enterprise', 'user'])
      .default('enterprise')
      .meta({ title: 'Read as the enterprise or as an admin' }),
    subjectId: z.string().regex(/^\d+$/, 'digits').meta({ title: 'Enterprise id, or the id of the admin' }),
    clientId: z.string().min(1).meta({ title: 'Client id of the app' }),
    clientSecret: z.string().min(1).meta({ title: 'Client secret', secret: true }),
    privateKey: z
      .string()
      .min(1)
      .optional()
      .meta({ title: 'Private key (PKCS #8, PEM), where the app signs in by JWT', secret: true }),
    keyId: z.string().min(1).optional().meta({ title: 'Id of the public key at Box' }),
    apiUrl: z.url().default('https://api.box.com').meta({ title: 'Address of the API' }),
  })
  .refine(({ privateKey, keyId }) => (privateKey === undefined) === (keyId === undefined), {
    message: 'a private key has an id at Box',
    path: ['keyId'],
  })
export type BoxConfig = z.output<typeof config>
