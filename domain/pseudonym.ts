/** Letters and digits that cannot be mistaken for one another (Crockford's base 32). */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const LENGTH = 8

/** `ANON-7Q2K-M4XA` from 5 random bytes or more. Says nothing about the person; collisions are the caller's to retry. */
export function pseudonymFrom(random: Uint8Array): string {
  let bits = 0n
  for (const byte of random.slice(0, 5)) bits = (bits << 8n) | BigInt(byte)
  let text = ''
  for (let place = 0; place < LENGTH; place += 1) {
    text = ALPHABET[Number(bits & 31n)] + text
    bits >>= 5n
  }
  return `ANON-${text.slice(0, 4)}-${text.slice(4)}`
}

export const PSEUDONYM = /\bANON-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}\b/
