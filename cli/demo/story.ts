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

/** Names of the SIEM's two ways in, by which a restart finds them again. */
export const DESTINATIONS = { webhook: 'SIEM by webhook', syslog: 'SIEM by syslog' } as const
export type DestinationKey = keyof typeof DESTINATIONS
