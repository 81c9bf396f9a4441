import type { Rejected } from '../../domain/signal.ts'

/** Deeper nesting is no record of a log. */
export const MAX_JSON_DEPTH = 64

/**
 * What `JSON.parse` lets pass and a record of a person's doings must not: a field named twice, of which readers
 * disagree which one counts, and nesting that breaks whoever walks it. Null when there is neither.
 */
export function checkJson(text: string, value: unknown): Pick<Rejected, 'code' | 'expected'> | null {
  const kept = countNames(value, 1)
  if (kept === TOO_DEEP) return { code: 'json_invalid', expected: `at most ${MAX_JSON_DEPTH} levels` }
  return kept === namesIn(text, kept) ? null : { code: 'json_invalid', expected: 'every field once' }
}

const TOO_DEEP = -1

function countNames(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0
  if (depth > MAX_JSON_DEPTH) return TOO_DEEP
  let count = 0
  if (Array.isArray(value)) {
    for (const each of value) {
      const inner = countNames(each, depth + 1)
      if (inner === TOO_DEEP) return TOO_DEEP
      count += inner
    }
    return count
  }
  // What was parsed has no names but its own, and no list of them is made.
  for (const name in value) {
    count += 1
    const member = (value as Record<string, unknown>)[name]
    if (typeof member !== 'object' || member === null) continue
    const inner = countNames(member, depth + 1)
    if (inner === TOO_DEEP) return TOO_DEEP
    count += inner
  }
  return count
}

const QUOTE = 0x22
const BLANK = 0x20

/**
 * How many names there are in valid JSON. A quote before a colon ends a name, or it begins a text that begins with a
 * colon: counting those is fast and can only count too many, so whoever finds too many counts again.
 */
function namesIn(text: string, kept: number): number {
  let count = 0
  for (let at = text.indexOf(':'); at !== -1; at = text.indexOf(':', at + 1)) {
    const before = text.charCodeAt(at - 1)
    if (before === QUOTE) count += 1
    // Blanks between a name and its colon are allowed and rare.
    else if (before <= BLANK) return namesExactly(text)
  }
  return count === kept ? count : namesExactly(text)
}

const TEXT_AND_COLON = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/gs

function namesExactly(text: string): number {
  let count = 0
  for (const [, colon] of text.matchAll(TEXT_AND_COLON)) if (colon !== undefined) count += 1
  return count
}
