import { fieldOf } from '../../domain/field-of.ts'

/** Reads one field of a record as trimmed text; '' where there is none. */
export type FieldReader = (record: Readonly<Record<string, unknown>>) => string

const NONE: FieldReader = () => ''

/** By header, compared without case. */
export function columnReader(name: string | undefined): FieldReader {
  if (name === undefined) return NONE
  const read = fieldOf(name.toLowerCase())
  return (record) => {
    const value = read(record)
    return typeof value === 'string' ? value.trim() : ''
  }
}

/** By name, or by a path of names with dots: `actor.email`, `items.0.name`. A name that has dots itself comes first. */
export function pathReader(path: string | undefined): FieldReader {
  if (path === undefined) return NONE
  const names = path.split('.')
  // Without dots, and not what every object has: the common case needs no questions.
  if (names.length === 1 && !(path in {})) {
    const read = fieldOf(path)
    return (record) => textOf(read(record))
  }
  return (record) => {
    let value: unknown = Object.hasOwn(record, path) ? record[path] : undefined
    if (value === undefined && names.length > 1) {
      value = record
      for (const name of names) {
        if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return ''
        value = (value as Record<string, unknown>)[name]
      }
    }
    return textOf(value)
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value.trim()
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
}
