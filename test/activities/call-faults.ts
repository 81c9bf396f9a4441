import { InterceptingCall, type Interceptor, type Listener, status } from '@grpc/grpc-js'
import type { Break } from './statement-proxy.ts'

export interface CallFaults {
  interceptor: Interceptor
  /** Counts calls anew and, with a break, fails the n-th; further ones go through. */
  arm(at?: Break): void
  /** Methods called since the last `arm`, in order. */
  readonly seen: readonly string[]
}

/** Not one that clients repeat by themselves: the activity has to be told. */
const LOST = { code: status.CANCELLED, details: 'the line to Temporal broke' }

/** Fails calls to Temporal: before they reach the server, or after it answered and before the answer arrives. */
export function callFaults(): CallFaults {
  let seen: string[] = []
  let planned: Break | undefined

  const interceptor: Interceptor = (options, nextCall) => {
    seen.push(options.method_definition.path.split('/').at(-1) as string)
    const failing = planned?.at === seen.length ? planned.when : undefined
    if (failing) planned = undefined
    return new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        const lose = () => listener.onReceiveStatus({ ...LOST, metadata } as never)
        if (failing === undefined) return next(metadata, listener)
        if (failing === 'before') {
          lose()
          return
        }
        const silenced: Listener = { onReceiveMessage: () => {}, onReceiveStatus: lose }
        next(metadata, silenced)
      },
      ...(failing === 'before' ? { sendMessage: () => {}, halfClose: () => {} } : {}),
    })
  }
  return {
    interceptor,
    arm(at) {
      seen = []
      planned = at
    },
    get seen() {
      return seen
    },
  }
}
