import { z } from 'zod'
import { fileSettings } from '../files/settings.ts'

const field = z.string().min(1).max(200)
const words = (...defaults: string[]) => z.array(z.string().min(1).max(100)).max(50).default(defaults)

/** Ids of doors whose opening, or attempted opening, weighs more. */
const MAX_PRIORITY_ASSETS = 10_000

export const config = z.strictObject({
  format: z.enum(['auto', 'json', 'csv']).default('auto').meta({ title: 'Format' }),
  columns: z
    .strictObject({
      person: field.default('UserId'),
      asset: field.default('AssetId'),
      at: field.default('EventTime'),
      status: field.default('AccessStatus'),
      assetName: field.default('AssetName'),
      eventId: field.optional(),
    })
    .prefault({})
    .meta({ title: 'Names of the fields' }),
  personScheme: z
    .enum(['address', 'employee_number', 'user_name'])
    .default('address')
    .meta({ title: 'How the file names people' }),
  successWords: words('success', 'granted', 'allowed', 'open').meta({ title: 'Access status of an opened door' }),
  failureWords: words('failed', 'failure', 'denied', 'refused').meta({
    title: 'Access status of a door that stayed shut',
  }),
  priorityAssets: z
    .array(z.string().min(1).max(200))
    .max(MAX_PRIORITY_ASSETS)
    .default([])
    .meta({ title: 'Ids of priority assets' }),
  ...fileSettings,
})
export type BadgeConfig = z.output<typeof config>
