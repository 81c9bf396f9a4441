import { createPrivateKey } from 'node:crypto'

/** An RSA private key as PKCS #8 in PEM, whichever form it came in. Undefined where it is none; never throws: a reason might quote it. */
export function pkcs8Of(pem: string): string | undefined {
  try {
    const key = createPrivateKey(pem)
    return key.asymmetricKeyType === 'rsa' ? (key.export({ type: 'pkcs8', format: 'pem' }) as string) : undefined
  } catch {
    return undefined
  }
}
