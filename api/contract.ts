import { readFileSync } from 'node:fs'
import path from 'node:path'
import { OPERATIONS, type OperationId } from '../openapi/generated/operations.ts'

interface Parameter {
  name: string
  in: string
}
interface BundledOperation {
  parameters?: (Parameter & { $ref?: string })[]
  requestBody?: { $ref?: string; content?: Record<string, unknown> }
  responses?: unknown
}
interface Bundle {
  paths: Record<string, Record<string, BundledOperation>>
  components: Record<string, Record<string, unknown>> & {
    parameters: Record<string, Parameter>
    requestBodies: Record<string, { content: Record<string, unknown> }>
  }
}

export const BASE_PATH = '/v1'

const file = path.join(import.meta.dirname, '../openapi/generated/openapi.json')
/** The one document that validator, docs and types come from. */
export const contractText: string = readFileSync(file, 'utf8')
/** A copy of its own for whoever changes it. */
export const contract = (): unknown => JSON.parse(contractText)

/** What it says of requests alone, with the components that these lead to. Most of the contract is answers. */
export function contractOfRequests(): unknown {
  const { components, ...rest } = contract() as Bundle
  for (const operation of Object.values(rest.paths).flatMap(Object.values<BundledOperation>)) delete operation.responses
  const needed: Record<string, Record<string, unknown>> = {}
  const follow = (part: unknown): void => {
    for (const [, kind = '', name = ''] of JSON.stringify(part).matchAll(/"#\/components\/(\w+)\/(\w+)"/g)) {
      needed[kind] ??= {}
      if (name in needed[kind]) continue
      needed[kind][name] = components[kind]?.[name]
      follow(needed[kind][name])
    }
  }
  follow(rest)
  return { ...rest, components: needed }
}

export interface Operation {
  id: OperationId
  method: string
  /** True when the path names one thing: what one may not see answers 404 there. */
  ofOne: boolean
  takesKey: boolean
  takesRevision: boolean
  takes: 'nothing' | 'json' | 'file'
  /** Of the whole path, base path included. */
  pattern: RegExp
  parameters: readonly string[]
}

const bundle = contract() as Bundle

const operations: readonly Operation[] = Object.entries(OPERATIONS).map(([id, { method, path: route }]) => {
  const operation = bundle.paths[route]?.[method] as BundledOperation
  const parameters = (operation.parameters ?? []).map((parameter) =>
    parameter.$ref
      ? (bundle.components.parameters[parameter.$ref.split('/').at(-1) as string] as Parameter)
      : parameter,
  )
  const { requestBody } = operation
  const body = requestBody?.$ref
    ? bundle.components.requestBodies[requestBody.$ref.split('/').at(-1) as string]
    : requestBody
  const names = [...route.matchAll(/\{(\w+)\}/g)].map((found) => found[1] as string)
  return {
    id: id as OperationId,
    method: method.toUpperCase(),
    ofOne: names.length > 0,
    takesKey: parameters.some(({ name }) => name === 'Idempotency-Key'),
    takesRevision: parameters.some(({ name }) => name === 'If-Match'),
    takes: !body?.content ? 'nothing' : 'application/json' in body.content ? 'json' : 'file',
    pattern: new RegExp(`^${BASE_PATH}${route.replaceAll(/\{\w+\}/g, '([^/]+)')}/?$`),
    parameters: names,
  }
})

export type Matched = { operation: Operation; params: Record<string, string> } | { allowed: string[] } | null

/** The operation of a request; the methods that exist where only the method is wrong; null where nothing is. */
export function matchOperation(method: string, pathname: string): Matched {
  const allowed: string[] = []
  for (const operation of operations) {
    const found = operation.pattern.exec(pathname)
    if (!found) continue
    if (operation.method !== method) {
      allowed.push(operation.method)
      continue
    }
    return {
      operation,
      params: Object.fromEntries(operation.parameters.map((name, index) => [name, decoded(found[index + 1] ?? '')])),
    }
  }
  return allowed.length > 0 ? { allowed } : null
}

/** A path that is not well-formed names nothing. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return ''
  }
}
