import { appendFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { contract, matchOperation } from '../../api/contract.ts'

/** Where test files, each in a process of its own, note which operation answered them with which status. */
const FOLDER = 'OPENIRM_TEST_STATUSES'

export function noteStatus(method: string, address: string, status: number): void {
  const folder = process.env[FOLDER]
  if (folder === undefined) return
  const matched = matchOperation(method, new URL(address).pathname)
  if (!matched || 'allowed' in matched) return
  appendFileSync(path.join(folder, String(process.pid)), `${matched.operation.id} ${status}\n`)
}

export function collectStatusesIn(folder: string): void {
  mkdirSync(folder, { recursive: true })
  process.env[FOLDER] = folder
}

/** What the contract promises apart from `default`, as `operation status`. */
export function declaredStatuses(): string[] {
  const { paths } = contract() as {
    paths: Record<string, Record<string, { operationId?: string; responses?: Record<string, unknown> }>>
  }
  return Object.values(paths)
    .flatMap((operations) => Object.values(operations))
    .flatMap(({ operationId, responses = {} }) => Object.keys(responses).map((status) => `${operationId} ${status}`))
    .filter((each) => !each.endsWith(' default'))
    .sort()
}

/** Declared statuses that no answer of this run had. */
export function unseenStatuses(folder: string): string[] {
  const seen = new Set(readdirSync(folder).flatMap((name) => readFileSync(path.join(folder, name), 'utf8').split('\n')))
  return declaredStatuses().filter((each) => !seen.has(each))
}
