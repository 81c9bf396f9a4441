import { z } from 'zod'
import { certificatePem } from '../certificates.ts'

const SECRET_BYTES = { least: 24, most: 64 }

/** `whsec_` and 24 to 64 random bytes in base64, as Standard Webhooks 1.0.0 has them. */
const secret = z.string().refine(isSecret, 'whsec_ and 24 to 64 random bytes in base64')

function isSecret(text: string): boolean {
  const encoded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)?.[1]
  if (encoded === undefined || encoded.length % 4 !== 0) return false
  const { length } = Buffer.from(encoded, 'base64')
  return length >= SECRET_BYTES.least && length <= SECRET_BYTES.most
}

/** The address is no secret and is shown: what proves the sender belongs into the signature, not into the address. */
const url = z
  .url({ protocol: /^https?$/ })
  .max(2_000)
  .refine((text) => {
    if (!URL.canParse(text)) return false
    const { username, password } = new URL(text)
    return username === '' && password === ''
  }, 'an address without user name and password')

export const config = z.strictObject({
  url: url.meta({
    title: 'Address of the receiver',
    description: 'https; plain http only where private addresses are allowed',
  }),
  secret: secret.meta({ title: 'Signing secret', secret: true }),
  previousSecret: secret.optional().meta({ title: 'Previous secret, while rotating', secret: true }),
  timeoutMs: z.int().min(1_000).max(30_000).default(20_000).meta({ title: 'Time-out of a request in milliseconds' }),
  caCertificate: certificatePem.optional().meta({ title: 'Certificate authority of the receiver (PEM)' }),
})
export type WebhookConfig = z.output<typeof config>
