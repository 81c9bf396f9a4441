import { patient } from './options.ts'

const { writeManifests } = patient("Write the day's manifests")
const { nudgeExports } = patient('Wake the exports')

/**
 * Adds the manifest of the day before (or of the given UTC day) to every destination's sequence.
 * Id:    `manifests`. Ends after one round; a Schedule starts it shortly after midnight.
 */
export async function dailyManifests({ day }: { day?: string } = {}): Promise<{ day: string; destinations: number }> {
  const covered = day ?? new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)
  const destinations = await writeManifests({ day: covered })
  if (destinations.length > 0) await nudgeExports({ destinations })
  return { day: covered, destinations: destinations.length }
}
