import { PRIVATE_ADDRESS } from './addresses.ts'
import type { DeliveryOutcome } from './exporter.ts'

/** Result of verifying the receiver's certificate, as OpenSSL and Node name it: trying again cannot change it. */
const CERTIFICATE_CODES: ReadonlySet<string> = new Set([
  'CERT_CHAIN_TOO_LONG',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_FORMAT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERROR_IN_CERT_NOT_AFTER_FIELD',
  'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** The receiver's TLS alert about the certificate that we showed or did not show; TLS 1.2 calls the latter a failure. */
const CLIENT_CERTIFICATE_CODE =
  /^ERR_SSL_(?:SSL|TLS)V\d+_ALERT_(?:BAD_CERTIFICATE|CERTIFICATE_REQUIRED|CERTIFICATE_EXPIRED|CERTIFICATE_REVOKED|CERTIFICATE_UNKNOWN|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE|HANDSHAKE_FAILURE)$/

/** What a failed connection means for a delivery. `code` is the error's code; its text is not looked at. */
export function connectionOutcome(code: string | undefined): Exclude<DeliveryOutcome, { state: 'accepted' }> {
  const responseCode = code ?? 'connection_failed'
  if (responseCode === PRIVATE_ADDRESS) {
    return {
      state: 'refused',
      responseCode,
      detail: 'the destination leads to a private, loopback or link-local address',
      fix: 'Enter a public receiver, or allow private addresses by OPENIRM_ALLOW_PRIVATE_ADDRESSES=true; then resume.',
    }
  }
  if (CERTIFICATE_CODES.has(responseCode)) {
    return {
      state: 'refused',
      responseCode,
      detail: "the receiver's certificate is not trusted",
      fix: "Renew the receiver's certificate for its name, or enter the authority that issued it; then resume.",
    }
  }
  if (CLIENT_CERTIFICATE_CODE.test(responseCode)) {
    return {
      state: 'refused',
      responseCode,
      detail: 'the receiver refuses the handshake: it wants another client certificate, or other ciphers',
      fix: 'Enter a client certificate and its key that the receiver trusts, or let it offer usual ciphers; then resume.',
    }
  }
  return { state: 'retry', responseCode, detail: 'the receiver could not be reached' }
}
