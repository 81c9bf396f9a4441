import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { ConnectorDefinition } from '../../connectors/connector.ts'
import { connectorKinds } from '../../connectors/kinds.ts'

/** A file as a kind reads it, with the settings of a connector that does. */
export interface Sample {
  kind: ConnectorDefinition
  /** The kind, and the form where it is not the usual one: `custom-file, json-lines`. */
  title: string
  /** Of the file. */
  name: string
  text: string
  settings: Record<string, unknown>
}

const connectors = path.join(import.meta.dirname, '../../connectors')
const isSample = (name: string) => /\.(csv|json|ndjson)$/.test(name) && !/^settings\.json$|\.expected\.json$/.test(name)

/**
 * One of every kind that is pushed, and one of each further form: its `records/`, and folders below with settings of
 * their own. Throws where a kind has none.
 */
export const samplesOfEveryKind = (): Sample[] =>
  [...connectorKinds.values()]
    .filter(({ delivery }) => delivery === 'push')
    .flatMap((kind) => {
      const records = path.join(connectors, kind.id, 'records')
      const forms = readdirSync(records, { withFileTypes: true }).filter((each) => each.isDirectory())
      return [
        sampleIn(kind, kind.id, records),
        ...forms.map(({ name }) => sampleIn(kind, `${kind.id}, ${name}`, path.join(records, name))),
      ]
    })

function sampleIn(kind: ConnectorDefinition, title: string, folder: string): Sample {
  const name = readdirSync(folder).find(isSample)
  const settings = path.join(folder, 'settings.json')
  if (!name || !existsSync(settings)) throw new Error(`${title} has no sample with its settings: add them to records/`)
  const text = readFileSync(path.join(folder, name), 'utf8')
  return { kind, title, name, text, settings: JSON.parse(readFileSync(settings, 'utf8')) }
}

const isJson = (text: string) => /^\ufeff?\s*[[{]/.test(text)

/** The sample with one record more that cannot be read, in whatever form it is. */
export function withBadRow({ text }: Sample): string {
  if (/^\ufeff?\s*\[/.test(text)) return text.replace('[', '["no record",')
  const lines = text.trimEnd().split('\n')
  return [...lines, isJson(text) ? '"no record"' : `${lines.at(-1)}${lines.at(-1)}`].join('\n')
}

/** The sample about other people, of a domain of their own: what one HR system has told is no news from another. */
export const textAbout = ({ text }: Sample, domain: string): string =>
  text.replaceAll('@', `@${domain.replace(/\W+/g, '-')}.`)
