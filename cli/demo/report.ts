import type { Balance } from '../../sandbox/organisation/index.ts'
import type { Home } from './home.ts'
import type { Tale } from './tales/index.ts'

/** The figures of a demo, as `--report` writes them. */
export interface Report {
  version: 1
  /** True when every stage was verified. */
  verified: boolean
  failure: { code: string; detail: string } | null
  seed: string
  people: number
  until: string
  /** True when this run went on with an earlier one's story. */
  resumed: boolean
  /** One per story, in the order in which people decided. */
  stories: {
    story: Tale['id']
    policy: string
    /** Names of the connectors that feed it. */
    sources: string[]
    /** Rows that these stored. */
    stored: number
    /** People with an open window when the policy looked. */
    watched: number
    alerts: number
    /** People with an innocent likeness, who got no alert. */
    innocent: number
  }[]
  /** By connector, in the order of their ends; those that brought nothing new are left out. */
  imports: ({ connector: string; source: string; state: string } & Balance)[]
  alerts: {
    story: Tale['id']
    severity: string
    score: number
    state: string
    contributions: number
    versions: { version: number; change: string; state: string; score: number }[]
  }[]
  approvals: { story: Tale['id']; kind: string; state: string; decisions: number }[]
  cases: { story: Tale['id']; state: string; resolution: string | null }[]
  deliveries: {
    destination: string
    accepted: number
    /** What the receiver holds, repetitions taken out, in the order of numbers. */
    received: { number: number; type: string }[]
  }[]
  verifications: { what: string; checked: number; untruth: string | null }[]
  privacyScan: {
    needles: number
    surfaces: { surface: string; items: number; bytes: number; hits: number }[]
    hits: { surface: string; place: string; what: string }[]
  } | null
  stagesMs: Record<string, number>
  tookMs: number
}

export const emptyReport = ({ plot, isNew }: Pick<Home, 'plot' | 'isNew'>): Report => ({
  version: 1,
  verified: false,
  failure: null,
  seed: plot.seed,
  people: plot.people,
  until: plot.until,
  resumed: !isNew,
  stories: [],
  imports: [],
  alerts: [],
  approvals: [],
  cases: [],
  deliveries: [],
  verifications: [],
  privacyScan: null,
  stagesMs: {},
  tookMs: 0,
})
