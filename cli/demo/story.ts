import { AppError } from '../../domain/errors.ts'
import type { Installation } from '../installation.ts'
import type { Home } from './home.ts'
import type { Outside } from './outside.ts'
import type { Report } from './report.ts'
import type { Screen } from './screen.ts'
import type { Staff } from './staff.ts'

/** What every chapter works with. */
export interface Story {
  home: Home
  outside: Outside
  installation: Installation
  staff: Staff
  screen: Screen
  report: Report
}

/** What the story says must be so. Throws demo_failed with the sentence. */
export function mustBe(condition: boolean, sentence: string): asserts condition {
  if (!condition) {
    throw new AppError('demo_failed', sentence, {
      fix: 'This is a defect: please report it with the seed, the number of people and the end of the story.',
    })
  }
}

/** Names of everything that the story sets up, by which a restart finds it again. */
export const NAMES = {
  profiles: 'HR: people',
  changes: 'HR: changes',
  trail: 'Amazon S3',
  policy: 'Data theft by departing users',
  webhook: 'SIEM by webhook',
  syslog: 'SIEM by syslog',
} as const
