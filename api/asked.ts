import type { Request } from 'express'
import type { Actor } from './auth.ts'
import type { Operation } from './contract.ts'

/** What a request has been found to be, on its way through the layers. */
export interface Asked {
  requestId: string
  operation?: Operation
  params?: Record<string, string>
  actor?: Actor | null
}
export const asked = new WeakMap<Request, Asked>()
export const of = (request: Request): Asked => asked.get(request) as Asked
export const operationOf = (request: Request): Operation => of(request).operation as Operation
