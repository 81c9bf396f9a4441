import { type CompiledWorkerOptions, type Logger, Worker } from '@temporalio/worker'
import type { WorkflowCreator } from '@temporalio/worker/lib/workflow/interface.js'
import type { WorkflowBundleWithSourceMapAndFilename as Bundle } from '@temporalio/worker/lib/workflow/workflow-worker-thread/input.js'

interface Thread {
  creator: Promise<WorkflowCreator>
  /** Workers that have not ended. */
  users: number
}

/** By the code that they run. */
const threads = new Map<string, Thread>()
let kept = false

/**
 * A worker that runs its workflows in the thread of all workers of the process. Each would else start one of its own, half
 * a second of work and tens of megabytes for the same code; what a workflow does takes milliseconds. Which run a task
 * is of, the thread tells by the run's id.
 */
export class WorkerOfProcess extends Worker {
  protected static override async createWorkflowCreator(
    bundle: Bundle,
    options: CompiledWorkerOptions,
    logger: Logger,
  ): Promise<WorkflowCreator> {
    const thread = threads.get(bundle.code) ?? {
      creator: Worker.createWorkflowCreator(bundle, options, logger),
      users: 0,
    }
    threads.set(bundle.code, thread)
    thread.users += 1
    const leave = async () => {
      thread.users -= 1
      if (thread.users > 0 || kept) return
      threads.delete(bundle.code)
      await (await thread.creator).destroy()
    }
    try {
      const creator = await thread.creator
      return { createWorkflow: (workflow) => creator.createWorkflow(workflow), destroy: leave }
    } catch (error) {
      threads.delete(bundle.code)
      throw error
    }
  }
}

/** From now on a thread waits for the next workers when the last of its own has ended: for tests, which start many. */
export function keepWorkflowThreads(): void {
  kept = true
}
