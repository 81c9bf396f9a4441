import { departing } from './departing.ts'
import { doors } from './doors.ts'
import { patients } from './patients.ts'
import type { Tale } from './tale.ts'

export { type Named, SOURCES, type SourceKey, type Tale } from './tale.ts'

/** In the order in which people decide about them. */
export const TALES: readonly Tale[] = [departing, patients, doors]
