import { expect, test } from 'vitest'
import { startMicrosoftGraph } from '../microsoft-graph.ts'

test('the state of a vendor is set from outside; what there is none of is refused by name, and changes nothing', async () => {
  await using graph = await startMicrosoftGraph()
  const set = (state: object) => fetch(`${graph.url}/_control/state`, { method: 'POST', body: JSON.stringify(state) })
  expect((await set({ roles: ['Mail.Read'] })).status).toBe(204)
  expect(graph.roles).toEqual(['Mail.Read'])
  const refused = await set({ roles: [], url: 'http://a.example' })
  expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('roles, skus, secrets')])
  expect(graph.roles).toEqual(['Mail.Read'])
})
