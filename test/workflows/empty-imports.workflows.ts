import { proxyActivities } from '@temporalio/workflow'
import type { ImportRunInput } from '../../domain/processes.ts'

/** The window as it is, over imports that find nothing and only close themselves: what is looked at is the parent. */
export { backfill } from '../../workflows/backfill.ts'

const { closeAll } = proxyActivities<{ closeAll(input: { importIds: readonly string[] }): Promise<void> }>({
  startToCloseTimeout: '1 minute',
})

export const importRun = ({ importIds = [] }: ImportRunInput): Promise<void> => closeAll({ importIds })
