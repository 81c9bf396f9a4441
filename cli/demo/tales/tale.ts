import type { CaseResolution } from '../../../domain/alert.ts'
import type { Outside } from '../outside.ts'

/** A source of the demo, by which a restart finds its set-up again. */
export const SOURCES = {
  profiles: 'HR: people',
  changes: 'HR: changes',
  trail: 'Amazon S3',
  files: 'Dropbox',
  staff: 'Hospital: HR',
  records: 'Hospital: health records',
  doors: 'Hospital: doors',
} as const
export type SourceKey = keyof typeof SOURCES

export interface Named {
  first: string
  last: string
  address: string
}

/** One of the stories that the demo tells at once: whom its policy has to find, whom it must leave alone, and who decides. */
export interface Tale {
  id: 'departing' | 'patients' | 'doors'
  policy: { template: string; name: string }
  /** Who somebody is, and who leaves. */
  facts: readonly SourceKey[]
  /** What people did; the alert has evidence from each. */
  evidence: readonly SourceKey[]
  /** The one person who gets an alert. */
  found(outside: Outside): Named
  /** Groups of people with an innocent likeness; none of them gets one. */
  innocent(outside: Outside): { who: string; addresses: readonly string[] }[]
  /** What the people who decide write. The analyst names the person; what is stored does not. */
  words: {
    comment(found: Named): string
    confirm: string
    escalate: string
    approve: string
    note: string
    resolve: string
  }
  resolution: CaseResolution
}
