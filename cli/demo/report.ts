import type { Balance } from '../../sandbox/organisation/index.ts'
import type { Home } from './home.ts'

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
  /** By connector, in the order of their ends. */
  imports: ({ connector: string; source: string; state: string } & Balance)[]
  alerts: {
    severity: string
    score: number
    state: string
    contributions: number
    versions: { version: number; change: string; state: string; score: number }[]
  }[]
  approvals: { kind: string; state: string; decisions: number }[]
  cases: { state: string; resolution: string | null }[]
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
