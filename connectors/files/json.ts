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
  return kept === namesIn(text) ? null : { code: 'json_invalid', expected: 'every field once' }
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
  for (const name of Object.keys(value)) {
    const inner = countNames((value as Record<string, unknown>)[name], depth + 1)
    if (inner === TOO_DEEP) return TOO_DEEP
    count += 1 + inner
  }
  return count
}

/** In valid JSON a quote before a colon ends a name, unless it is escaped: then it is part of a text. */
function namesIn(text: string): number {
  let count = 0
  for (let at = text.indexOf('":'); at !== -1; at = text.indexOf('":', at + 2)) {
    if (!isEscaped(text, at)) count += 1
  }
  // Blanks between name and colon are allowed and rare.
  if (SPACED.test(text)) {
    for (const found of text.matchAll(SPACED_ALL)) if (!isEscaped(text, found.index)) count += 1
  }
  return count
}

const SPACED = /"[ \t\r\n]+:/
const SPACED_ALL = /"[ \t\r\n]+:/g

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes += 1
  return backslashes % 2 === 1
}
