import { candidateSpans, replaceNames } from '../domain/name-tokens.ts'
import type { Connection } from './connection.ts'
import type { Vault } from './vault.ts'

/** Longest text that is masked; what lies beyond is cut off, never shown unmasked. */
export const MAX_MASKED_CHARACTERS = 20_000

/** Known identifiers and names in free text become pseudonyms, unknown addresses `[address]`. */
export async function maskText(db: Connection, vault: Vault, text: string): Promise<string> {
  return (await maskTexts(db, vault, [text]))[0] as string
}

/** The same for many texts with one look-up. */
export async function maskTexts(db: Connection, vault: Vault, texts: readonly string[]): Promise<string[]> {
  const cut = texts.map((text) => text.slice(0, MAX_MASKED_CHARACTERS))
  const keys = new Map<string, string>()
  for (const text of cut) {
    for (const { token } of candidateSpans(text)) {
      if (!keys.has(token)) keys.set(token, vault.lookupKey('name-token', token).toString('hex'))
    }
  }
  if (keys.size === 0) return cut
  const known = await db
    .selectFrom('name_token')
    .innerJoin('person', 'person.id', 'name_token.person_id')
    .select(['name_token.token_key', 'person.pseudonym'])
    .where(
      'token_key',
      'in',
      [...new Set(keys.values())].map((key) => Buffer.from(key, 'hex')),
    )
    .orderBy('person.id')
    .execute()
  const pseudonyms = new Map<string, string>()
  for (const { token_key, pseudonym } of known) {
    const key = token_key.toString('hex')
    // Two people with one name: say that somebody is named, not which of them.
    pseudonyms.set(key, pseudonyms.has(key) && pseudonyms.get(key) !== pseudonym ? '[name]' : pseudonym)
  }
  return cut.map((text) => replaceNames(text, (token) => pseudonyms.get(keys.get(token) ?? '')))
}

/** Masks every string inside a JSON value, member names included. */
export async function maskJson(db: Connection, vault: Vault, value: unknown): Promise<unknown> {
  const texts: string[] = []
  const collect = (part: unknown): void => {
    if (typeof part === 'string') texts.push(part)
    else if (Array.isArray(part)) part.forEach(collect)
    else if (part !== null && typeof part === 'object') {
      for (const [name, member] of Object.entries(part)) {
        texts.push(name)
        collect(member)
      }
    }
  }
  collect(value)
  const masked = await maskTexts(db, vault, texts)
  let next = 0
  const rebuild = (part: unknown): unknown => {
    if (typeof part === 'string') return masked[next++]
    if (Array.isArray(part)) return part.map(rebuild)
    if (part !== null && typeof part === 'object') {
      return Object.fromEntries(
        Object.entries(part).map(([, member]) => {
          const name = masked[next++] as string
          return [name, rebuild(member)]
        }),
      )
    }
    return part
  }
  return rebuild(value)
}
