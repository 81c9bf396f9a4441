import { access, constants } from 'node:fs/promises'
import { z } from 'zod'
import { type Prerequisite, prerequisiteFor } from '../connector.ts'
import { DATE_FORMATS } from './dates.ts'
import { SEPARATORS } from './delimited.ts'
import { pickUpReachable, pickUpSettings } from './pick-up.ts'
import { ENCODINGS } from './text.ts'

/** How dates are read. */
export const datedSettings = {
  dateFormat: z.enum(DATE_FORMATS).default('iso').meta({ title: 'Date format' }),
  assumedZone: z
    .string()
    .default('UTC')
    .refine((zone) => isZone(zone), 'not an IANA time zone')
    .meta({ title: 'Time zone of dates without one' }),
}

/** Settings that every connector of files has; titles are those of the form. */
export const fileSettings = {
  ...datedSettings,
  separator: z.enum(SEPARATORS).default('auto').meta({ title: 'Separator' }),
  encoding: z.enum(ENCODINGS).default('auto').meta({ title: 'Encoding' }),
  ...pickUpSettings,
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}

/** Where a folder is watched, the worker can look into it. */
export const dropFolder = prerequisiteFor<{ dropFolder?: string | undefined }>()({
  id: 'drop-folder',
  title: 'The watched folder can be read',
  anchor: 'drop-folder',
  verdicts: ['met', 'unmet'],
  when: 'before',
  async check({ config: { dropFolder: folder } }) {
    if (!folder) return { state: 'met', code: 'not_used', detail: 'No folder is watched.' }
    try {
      await access(folder, constants.R_OK | constants.X_OK)
      return { state: 'met', code: 'readable', detail: 'The watched folder can be read.' }
    } catch {
      const detail = 'The watched folder cannot be read; create it, or let the worker read it.'
      return { state: 'unmet', code: 'folder_unreadable', detail }
    }
  },
})

/** A pushed source that falls silent is noticed: a file is due every so many days. */
export const freshness = <Config>(id: string, daysOf: (config: Config) => number) =>
  prerequisiteFor<Config>()({
    id,
    title: 'A file was imported in time',
    anchor: 'freshness',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'after',
    async check({ config, now, history }) {
      const days = daysOf(config)
      const last = history.lastCompletedImportAt
      if (!last) return { state: 'unknown', code: 'never_imported', detail: 'No file has been imported yet.' }
      const age = Math.floor((now.getTime() - last.getTime()) / 86_400_000)
      return age < days
        ? { state: 'met', code: 'fresh', detail: `The last file came ${age} days ago.` }
        : { state: 'unmet', code: 'stale', detail: `The last file came ${age} days ago; upload a current one.` }
    },
  })

/** What has to be true of every connector of files. */
export const filePrerequisites = <Config>(id: string, daysOf: (config: Config) => number): Prerequisite<any>[] => [
  dropFolder,
  pickUpReachable,
  freshness(id, daysOf),
]
