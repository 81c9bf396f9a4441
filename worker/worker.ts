import type { NativeConnection, WorkflowBundleOption } from '@temporalio/worker'
import type { Deps } from '../activities/deps.ts'
import { createActivities } from '../activities/index.ts'
import { EncryptingCodec } from '../activities/payload-codec.ts'
import type { KeyRing } from '../db/keyring.ts'
import { TASK_QUEUES } from '../domain/processes.ts'
import { bundleWorkflows } from './bundle.ts'
import { WorkerOfProcess } from './workflow-thread.ts'

export type Queue = keyof typeof TASK_QUEUES

/** Concurrent activities per queue: imports are bound by memory and the database, the others by waiting. */
const CONCURRENCY: Record<Queue, number> = { imports: 4, evaluation: 2, triage: 20, exports: 20 }
/** Work that is under way at a stop gets so long to end; what does not is tried again elsewhere. */
const SHUTDOWN_GRACE = '10 seconds'

export interface RunningWorkers {
  /** Settles when all workers have ended; rejects when one failed. */
  done: Promise<void>
  stop(): Promise<void>
}

export interface WorkerOptions {
  connection: NativeConnection
  namespace: string
  ring: KeyRing
  queues?: readonly Queue[]
  /** Made before (`openirm bundle-workflows`); otherwise bundled at the start. */
  bundle?: WorkflowBundleOption
}

/** Starts a worker per queue. Workers scale by queue: a process may serve any of them. */
export async function startWorkers(deps: Deps, options: WorkerOptions): Promise<RunningWorkers> {
  const activities = createActivities(deps)
  const bundle = options.bundle ?? (await bundleWorkflows())
  const queues = options.queues ?? (Object.keys(TASK_QUEUES) as Queue[])
  const workers = await Promise.all(
    queues.map((queue) =>
      WorkerOfProcess.create({
        connection: options.connection,
        namespace: options.namespace,
        taskQueue: TASK_QUEUES[queue],
        workflowBundle: bundle,
        activities,
        dataConverter: { payloadCodecs: [new EncryptingCodec(options.ring)] },
        maxConcurrentActivityTaskExecutions: CONCURRENCY[queue],
        shutdownGraceTime: SHUTDOWN_GRACE,
        shutdownForceTime: '20 seconds',
        workflowThreadPoolSize: 1,
        maxHeartbeatThrottleInterval: '5 seconds',
      }),
    ),
  )
  const runs = workers.map((worker) => worker.run())
  const stopAll = () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown()
  }
  // One that fails takes the others down: a process with half of its queues would look healthy.
  const failFast = (run: Promise<void>) =>
    run.catch((error) => {
      stopAll()
      throw error
    })
  const done = Promise.all(runs.map(failFast)).then(() => {})
  done.catch(() => {})
  return {
    done,
    async stop() {
      stopAll()
      await Promise.allSettled(runs)
    },
  }
}
