import { readFileSync } from 'node:fs'

const TICKS_PER_SECOND = 100

/**
 * Seconds of CPU of all server processes that have ended, as Linux keeps them for their parent; null elsewhere. On a
 * machine that others use too, CPU says more than the clock.
 */
export function endedCpuSeconds(parentPid: number | undefined): number | null {
  if (parentPid === undefined || process.platform !== 'linux') return null
  // The name, in brackets, may hold blanks: the numbers begin behind it.
  const fields = readFileSync(`/proc/${parentPid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND
}
