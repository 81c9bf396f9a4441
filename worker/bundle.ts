import path from 'node:path'
import { bundleWorkflowCode, type WorkflowBundleWithSourceMap } from '@temporalio/worker'

const workflowsPath = path.join(import.meta.dirname, '../workflows/index.ts')

/** Made once per process; every queue's worker shares it. */
export const bundleWorkflows = (from = workflowsPath): Promise<WorkflowBundleWithSourceMap> =>
  bundleWorkflowCode({
    workflowsPath: from,
    logger: { ...console, log: quiet, trace: quiet, debug: quiet, info: quiet } as never,
  })

function quiet(): void {}
