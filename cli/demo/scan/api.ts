import contract from '../../../openapi/generated/openapi.json' with { type: 'json' }
import type { Looking } from './looking.ts'

export interface Reader {
  role: string
  token: string
}

type Item = Record<string, unknown>

/** Requests under way at once. */
const AT_ONCE = 6
/** Things of one noun that are read one by one; lists are read to their end. */
const DETAILS_AT_MOST = 300
/** Somebody who was refused so often reads nothing of this noun. */
const REFUSALS_AT_MOST = 3

const PATHS = Object.entries(contract.paths as Record<string, object>)
  .filter(([, operations]) => 'get' in operations)
  .map(([path]) => path)
  // A list before what it lists.
  .sort((a, b) => a.split('/').length - b.split('/').length || (a < b ? -1 : 1))

/**
 * Reads everything that the API shows: every GET of the contract, as everybody, lists to their end and the things in
 * them one by one. A new operation is read without being named here.
 */
export async function lookAtApi(url: string, readers: readonly Reader[], looking: Looking): Promise<void> {
  const ids = new Map<string, Set<string>>()
  for (const path of PATHS) {
    const child = PATHS.find((each) => each.startsWith(`${path}/{`) && each.indexOf('/', path.length + 1) === -1)
    const listed = child?.slice(path.length + 2, -1)
    const addresses = addressesOf(path, ids).slice(0, DETAILS_AT_MOST)
    for (const reader of readers) {
      let refusals = 0
      await inParallel(addresses, async (address) => {
        if (refusals >= REFUSALS_AT_MOST) return
        const { items, refused } = await readWhole(url, address, reader, looking)
        if (refused) refusals += 1
        for (const item of listed === undefined ? [] : items) {
          const id = item['id'] ?? item['uid'] ?? item['number']
          if (id !== undefined) ids.set(listed as string, (ids.get(listed as string) ?? new Set()).add(String(id)))
        }
      })
    }
  }
}

/** A path with every id that is known for its parameters. */
function addressesOf(path: string, ids: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const parameter = /\{(\w+)\}/.exec(path)?.[1]
  if (parameter === undefined) return [path]
  return [...(ids.get(parameter) ?? [])].flatMap((id) =>
    addressesOf(path.replace(`{${parameter}}`, encodeURIComponent(id)), ids),
  )
}

/** A body, and of a list all its pages. */
async function readWhole(
  url: string,
  address: string,
  { role, token }: Reader,
  looking: Looking,
): Promise<{ items: Item[]; refused: boolean }> {
  const items: Item[] = []
  for (let cursor: string | null = null; ; ) {
    const query = cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`
    const response = await fetch(`${url}/v1${address}${query}`, { headers: { Authorization: `Bearer ${token}` } })
    const bytes = Buffer.from(await response.arrayBuffer())
    const look = looking.at('API bodies', `GET ${address} as ${role}`)
    look([...response.headers].flat().join('\n'))
    look(bytes)
    if (!response.ok) return { items, refused: response.status === 403 || response.status === 404 }
    const isJson = response.headers.get('Content-Type')?.includes('json')
    const body = isJson ? (JSON.parse(bytes.toString()) as { items?: Item[]; nextCursor?: string | null }) : {}
    items.push(...(body.items ?? []))
    cursor = body.nextCursor ?? null
    if (cursor === null) return { items, refused: false }
  }
}

async function inParallel<Value>(values: readonly Value[], work: (value: Value) => Promise<void>): Promise<void> {
  const rest = values[Symbol.iterator]()
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const value of rest) await work(value)
    }),
  )
}
