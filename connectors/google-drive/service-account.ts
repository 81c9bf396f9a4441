import { parseJson } from '../http/json.ts'
import { pkcs8Of } from '../http/rsa-key.ts'
import { object, text } from '../values.ts'

/** What of a service account's key file signs in. */
export interface ServiceAccount {
  email: string
  keyId: string
  /** PKCS #8 in PEM. */
  privateKey: string
}

/** Undefined where the text is no key file of a service account. Never throws: a reason might quote the key. */
export function serviceAccountOf(keyFile: string): ServiceAccount | undefined {
  const file = object(parseJson(keyFile))
  const [email, keyId, pem] = [file['client_email'], file['private_key_id'], file['private_key']].map(text)
  const privateKey = pem === undefined ? undefined : pkcs8Of(pem)
  if (email === undefined || keyId === undefined || privateKey === undefined) return undefined
  return { email, keyId, privateKey }
}

export const isServiceAccountKey = (keyFile: string): boolean => serviceAccountOf(keyFile) !== undefined
