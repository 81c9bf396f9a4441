import { isSafeNumber, parse } from 'lossless-json'

/** Sixteen digits in a row may be a number that does not fit; anything shorter does. */
const LONG_NUMBER = /\d{16}/

/**
 * JSON in which integers beyond 2^53 are kept, as strings of their digits; all other numbers are numbers.
 * Undefined when the text is no JSON: the parser's own complaint quotes the text, which may name people.
 */
export function parseJson(text: string): unknown {
  try {
    return LONG_NUMBER.test(text) ? parse(text, undefined, keepDigits) : JSON.parse(text)
  } catch {
    return undefined
  }
}

const keepDigits = (digits: string): number | string =>
  /^-?\d+$/.test(digits) && !isSafeNumber(digits) ? digits : Number(digits)
