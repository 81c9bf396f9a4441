import type { Client } from '@temporalio/client'
import type { Payload, PayloadCodec } from '@temporalio/common'
import type { Looking } from './looking.ts'

const PAGE_SIZE = 100

/**
 * Everything that Temporal keeps and shows: visibility with search attributes and memos, histories as stored and with
 * their payloads decoded, pending activities, Schedules.
 */
export async function lookAtTemporal(client: Client, codec: PayloadCodec, looking: Looking): Promise<void> {
  const { workflowService } = client
  const { namespace } = client.options
  const seen = async (surface: string, place: string, found: object) => {
    const [raw, decoded] = [looking.at(`Temporal ${surface}`, place), looking.at(`Temporal ${surface}, decoded`, place)]
    for (const leaf of leavesOf(found)) {
      raw(leaf)
      raw('\n')
    }
    for (const plain of await codec.decode(payloadsIn(found))) {
      decoded(plain.data ?? '')
      decoded('\n')
    }
  }
  let nextPageToken: Uint8Array | undefined
  do {
    const page = await workflowService.listWorkflowExecutions({
      namespace,
      pageSize: PAGE_SIZE,
      ...(nextPageToken ? { nextPageToken } : {}),
    })
    for (const info of page.executions ?? []) {
      const { workflowId, runId } = info.execution ?? {}
      const execution = { workflowId: workflowId ?? '', runId: runId ?? '' }
      const place = `workflow ${execution.workflowId}`
      await seen('visibility', place, info)
      await seen('visibility', place, await workflowService.describeWorkflowExecution({ namespace, execution }))
      let more: Uint8Array | undefined
      do {
        const part = await workflowService.getWorkflowExecutionHistory({
          namespace,
          execution,
          ...(more ? { nextPageToken: more } : {}),
        })
        await seen('histories', place, part.history ?? {})
        more = tokenOf(part.nextPageToken)
      } while (more)
    }
    nextPageToken = tokenOf(page.nextPageToken)
  } while (nextPageToken)

  for await (const { scheduleId } of client.schedule.list()) {
    await seen('schedules', `schedule ${scheduleId}`, await workflowService.describeSchedule({ namespace, scheduleId }))
  }
}

const tokenOf = (token: Uint8Array | null | undefined): Uint8Array | undefined => (token?.length ? token : undefined)

/** Every text and every run of bytes in an answer, names of members included. */
function* leavesOf(value: unknown): Generator<string | Uint8Array> {
  if (typeof value === 'string' || value instanceof Uint8Array) yield value
  else if (Array.isArray(value)) for (const each of value) yield* leavesOf(each)
  else if (value !== null && typeof value === 'object') {
    for (const [name, member] of Object.entries(value)) {
      yield name
      yield* leavesOf(member)
    }
  }
}

function payloadsIn(value: unknown): Payload[] {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return []
  if (Array.isArray(value)) return value.flatMap(payloadsIn)
  const { metadata, data } = value as Payload
  if (metadata !== null && typeof metadata === 'object' && 'encoding' in metadata && data) return [value as Payload]
  return Object.values(value).flatMap(payloadsIn)
}
