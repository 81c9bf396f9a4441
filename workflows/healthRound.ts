import { setCurrentDetails } from '@temporalio/workflow'
import type { HealthRoundResult } from '../domain/processes.ts'
import { patient } from './options.ts'

const { checkPolicies } = patient('Check what the policies need')
const { checkDestinations } = patient('Check that the destinations deliver')
const { recordSight } = patient('Write down what the policies saw')

/**
 * Checks the prerequisites of policies and destinations, and writes the days that are over into the blind-spot map.
 * Id:    `health`. Ends after one round; a Schedule starts it every hour.
 */
export async function healthRound(): Promise<HealthRoundResult> {
  const { policies, blind } = await checkPolicies()
  const { destinations, unmet } = await checkDestinations()
  const { days } = await recordSight()
  setCurrentDetails(
    `${policies} policies, ${blind} blind by a condition of their own; ${destinations} destinations, ${unmet} unmet; ${days} days written`,
  )
  return { policies, blindPolicies: blind, destinations, unmetDestinations: unmet, days }
}
