import type { Identifier } from './signal.ts'

/**
 * The words by which free text may name a person. A token is one to five words in lower case, joined by a blank,
 * whatever stood between them in the text: `Dana.Smith`, `dana smith` and `dana_smith` are one token.
 */

const WORD = /[\p{L}\p{N}\p{M}]+/gu
const ADDRESS = /[\p{L}\p{N}\p{M}._%+'-]+@[\p{L}\p{N}.-]+\.[\p{L}]{2,}/gu
/** A single word shorter than this would hide ordinary text. */
const MIN_SINGLE = 3
/** Account names that stand for a function, not for somebody. */
const COMMON = new Set([
  'admin',
  'administrator',
  'backup',
  'root',
  'info',
  'service',
  'support',
  'system',
  'test',
  'user',
])
const MAX_WORDS = 5
/** Parts of last names that name nobody alone. */
const PARTICLES = new Set(['von', 'van', 'der', 'den', 'del', 'della', 'dos', 'das', 'des', 'ter', 'ten', 'bin', 'ibn'])

export const normaliseToken = (text: string): string => text.normalize('NFC').toLowerCase()

const wordsOf = (text: string): string[] => normaliseToken(text).match(WORD) ?? []

const usable = (words: readonly string[]): boolean =>
  words.length > 1 ||
  (words.length === 1 && (words[0] as string).length >= MIN_SINGLE && !COMMON.has(words[0] as string))

/** Tokens by which an account is recognised in text. */
export function tokensOfIdentifier({ scheme, value }: Identifier): string[] {
  if (scheme === 'aws_principal')
    return tokensOfIdentifier({ scheme: 'user_name', value: value.split(/[/:]/).at(-1) ?? '' })
  const tokens: string[] = []
  const [local = value, domain] = scheme === 'address' ? value.split('@') : [value]
  if (domain) tokens.push(normaliseToken(value))
  const words = wordsOf(local)
  if (usable(words)) tokens.push(words.slice(0, MAX_WORDS).join(' '))
  return tokens
}

/** How the letters of a word are written where only plain ones are to be had. */
const PLAIN: Record<string, string> = { ä: 'ae', ö: 'oe', ü: 'ue', ß: 'ss', ø: 'oe', æ: 'ae', å: 'aa', ł: 'l', đ: 'd' }

/** A token as it is, transcribed, and without its marks: `müller`, `mueller`, `muller`. */
function spellings(token: string): string[] {
  const transcribed = token.replace(/[^a-z0-9 ]/g, (letter) => PLAIN[letter] ?? letter)
  const bare = (text: string) => text.normalize('NFD').replace(/\p{M}/gu, '').normalize('NFC')
  return [...new Set([token, bare(transcribed), bare(token)])]
}

/** Tokens by which a name is recognised in text: both orders, and the last name alone, also in its parts. */
export function tokensOfName(first: string, last: string): string[] {
  const [firsts, lasts] = [wordsOf(first), wordsOf(last)]
  const tokens = new Set<string>()
  const add = (words: string[]) => {
    if (!usable(words) || words.length > MAX_WORDS) return
    for (const token of spellings(words.join(' '))) tokens.add(token)
  }
  add(lasts)
  for (const part of lasts) if (!PARTICLES.has(part)) add([part])
  if (firsts.length > 0 && lasts.length > 0) {
    add([...firsts, ...lasts])
    add([...lasts, ...firsts])
    add([firsts[0] as string, ...lasts])
    add([firsts[0] as string, lasts.at(-1) as string])
    add([lasts.at(-1) as string, firsts[0] as string])
  }
  return [...tokens]
}

export interface TextSpan {
  start: number
  end: number
  token: string
  isAddress: boolean
}

/** Every place of a text that could name somebody, longest first; addresses before words. */
export function candidateSpans(text: string): TextSpan[] {
  const spans: TextSpan[] = []
  for (const match of text.matchAll(ADDRESS)) {
    spans.push({
      start: match.index,
      end: match.index + match[0].length,
      token: normaliseToken(match[0]),
      isAddress: true,
    })
  }
  const words = [...text.matchAll(WORD)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
    token: normaliseToken(match[0]),
  }))
  for (let count = MAX_WORDS; count >= 1; count -= 1) {
    for (let from = 0; from + count <= words.length; from += 1) {
      const run = words.slice(from, from + count)
      if (!usable(run.map((word) => word.token))) continue
      const [first, last] = [run[0] as (typeof words)[0], run.at(-1) as (typeof words)[0]]
      spans.push({
        start: first.start,
        end: last.end,
        token: run.map((word) => word.token).join(' '),
        isAddress: false,
      })
    }
  }
  return spans
}

/** Replaces what `whoIs` knows, and every other address by `[address]`. Longer spans win over the ones inside them. */
export function replaceNames(text: string, whoIs: (token: string) => string | undefined): string {
  const taken: { start: number; end: number; by: string }[] = []
  for (const span of candidateSpans(text)) {
    const by = whoIs(span.token) ?? (span.isAddress ? '[address]' : undefined)
    if (by === undefined || taken.some((other) => span.start < other.end && other.start < span.end)) continue
    taken.push({ start: span.start, end: span.end, by })
  }
  let masked = ''
  let at = 0
  for (const { start, end, by } of taken.sort((a, b) => a.start - b.start)) {
    masked += text.slice(at, start) + by
    at = end
  }
  return masked + text.slice(at)
}
