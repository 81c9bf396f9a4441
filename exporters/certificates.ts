import { createPrivateKey, X509Certificate } from 'node:crypto'
import { z } from 'zod'

/** Longest PEM text taken: a bundle of some dozen authorities. */
const MAX_PEM_CHARACTERS = 100_000

const parses = (read: () => unknown): boolean => {
  try {
    read()
    return true
  } catch {
    return false
  }
}

/** One or more certificates as PEM. */
export const certificatePem = z
  .string()
  .max(MAX_PEM_CHARACTERS)
  .refine((pem) => parses(() => new X509Certificate(pem)), 'a certificate in PEM')

/** A private key without passphrase as PEM; always a secret. */
export const privateKeyPem = z
  .string()
  .max(MAX_PEM_CHARACTERS)
  .refine((pem) => parses(() => createPrivateKey(pem)), 'a private key in PEM without passphrase')
