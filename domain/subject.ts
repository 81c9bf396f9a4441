/**
 * Normal forms by which a person whose record was touched is compared with the people inside. Only keyed hashes of them
 * are ever stored. Two spellings of one name or address should meet; two neighbours should not.
 */

import type { Subject } from './signal.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
const ASCII = /^[\x00-\x7f]*$/

/** Letters and digits in lower case, without accents: `Müller-Lüdenscheidt` → `muller ludenscheidt`. */
export const plain = (text: string): string =>
  // Most texts have nothing to take off, and looking for it is the larger part of the work.
  ASCII.test(text)
    ? (text
        .toLowerCase()
        .match(/[a-z0-9]+/g)
        ?.join(' ') ?? '')
    : (text
        .normalize('NFKD')
        .replace(/\p{M}/gu, '')
        .replaceAll('ß', 'ss')
        .toLowerCase()
        .match(/[\p{L}\p{N}]+/gu)
        ?.join(' ') ?? '')

/** What streets are called for short, in the languages of the files that we have met. */
const SHORT: Readonly<Record<string, string>> = {
  st: 'street',
  str: 'strasse',
  rd: 'road',
  ave: 'avenue',
  av: 'avenue',
  blvd: 'boulevard',
  ln: 'lane',
  dr: 'drive',
  ct: 'court',
  pl: 'place',
  sq: 'square',
  hwy: 'highway',
  pkwy: 'parkway',
}

const HOUSE_NUMBER = /^\d+[a-z]?$/

/** The street without its house number, and the number; either may be empty. */
export function streetAndNumber(line: string): { street: string; number: string } {
  const words = plain(line.replace(/(\p{L})str(?:\.|\b)/giu, '$1strasse'))
    .split(' ')
    .filter((word) => word !== '')
  const at = words.findIndex((word) => HOUSE_NUMBER.test(word))
  const number = at < 0 ? '' : (words[at] as string)
  const street = words.filter((_, index) => index !== at).map((word) => SHORT[word] ?? word)
  return { street: street.join(' '), number }
}

/** The first five letters and digits: a longer code (ZIP+4) names a part of the same area. */
export const postalArea = (code: string): string => plain(code).replaceAll(' ', '').slice(0, 5)

/** The normal forms of somebody; what cannot be told is absent. */
export interface SubjectForms {
  id?: string
  name?: string
  lastName?: string
  /** Street, number and postal area. */
  address?: string
  /** Street and postal area. */
  street?: string
  department?: string
}

export function formsOf({ id, firstName, lastName, addressLine, postalCode, department }: Subject): SubjectForms {
  const forms: SubjectForms = {}
  const [first, last] = [plain(firstName ?? ''), plain(lastName ?? '')]
  if (id !== undefined && id.trim() !== '') forms.id = id.trim()
  if (last !== '') forms.lastName = last
  if (first !== '' && last !== '') forms.name = `${first.split(' ', 1)[0]} ${last}`
  const area = postalArea(postalCode ?? '')
  const { street, number } = streetAndNumber(addressLine ?? '')
  if (street !== '' && area !== '') {
    forms.street = `${street}, ${area}`
    if (number !== '') forms.address = `${street} ${number}, ${area}`
  }
  const place = plain(department ?? '')
  if (place !== '') forms.department = place
  return forms
}
