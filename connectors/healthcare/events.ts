import { ownText } from '../../domain/own-text.ts'
import type { Verb } from '../../domain/signal.ts'
import { plain } from '../../domain/subject.ts'

/** Words of event names, first match wins: what changes or takes away a record goes before what only shows it. */
const WORDS: readonly (readonly [RegExp, Verb])[] = [
  [/\b(exports?|exported|extract\w*|downloads?|downloaded|release[sd]?)\b/, 'export_report'],
  [/\b(prints?|printed|printing|fax\w*)\b/, 'print'],
  [/\b(deletes?|deleted|remove[sd]?|void\w*)\b/, 'delete'],
  [/\b(edits?|edited|modif\w+|updates?|updated|changed?|amend\w*|addend\w*|sign(ed)?|write|wrote)\b/, 'edit'],
  [/\b(creates?|created|add(ed)?|new|register\w*|admit\w*)\b/, 'create'],
  [/\b(search\w*|look ?ups?|quer(y|ies|ied)|find|list)\b/, 'search'],
  [/\b(copy|copied)\b/, 'copy'],
  [/\b(views?|viewed|viewing|opens?|opened|access\w*|reads?|inquir\w+|display\w*|review\w*|show\w*|chart)\b/, 'view'],
]

/** The verb of an event's name: as the settings say, else by the words in it, else `other`. */
export function verbTable(exact: Readonly<Record<string, Verb>>): (eventName: string) => Verb {
  const known = new Map(Object.entries(exact).map(([name, verb]) => [name.trim().toLowerCase(), verb]))
  const asWritten = new Map<string, Verb>()
  return (eventName) => {
    const remembered = asWritten.get(eventName)
    if (remembered !== undefined) return remembered
    const words = plain(eventName)
    const verb = known.get(eventName.toLowerCase()) ?? WORDS.find(([pattern]) => pattern.test(words))?.[1] ?? 'other'
    // Bounded: a source has a few hundred names; a file of nothing but different ones must not fill the memory.
    if (asWritten.size < 10_000) asWritten.set(ownText(eventName), verb)
    return verb
  }
}
