import { setCurrentDetails } from '@temporalio/workflow'
import type { PrerequisiteCheckInput, PrerequisiteCheckResult } from '../domain/processes.ts'
import { patient } from './options.ts'

const { checkPrerequisites } = patient('Check what the connector needs')
const { applyConnectorSchedules } = patient('Align the schedules')

/**
 * Checks what a connector needs; a failing check pauses it and names the blind policies, recovery resumes it.
 * Id:    `prerequisites/<connector>` (a Schedule adds its time).
 * Ends:  after one round of checks.
 */
export async function prerequisiteCheck({ connectorId }: PrerequisiteCheckInput): Promise<PrerequisiteCheckResult> {
  const result = await checkPrerequisites({ connectorId })
  await applyConnectorSchedules({ connectorId })
  setCurrentDetails(
    `met ${result.met}, unmet ${result.unmet}, unknown ${result.unknown}; connector ${result.connectorState}`,
  )
  return result
}
