import { expect, test } from 'vitest'
import { importing } from './harness/importing.ts'
import { insertConnector } from './harness/rows.ts'

test('the same rows in other bytes are an import of duplicates, of facts as of activities', async () => {
  await using t = await importing()
  const columns = { person: 'user', resignationDate: 'given', lastWorkingDate: 'last' }
  const hr = await insertConnector(t.t, 'hr', { scenarios: [{ scenario: 'resignation', columns }] })
  const leavers = 'user,given,last\na@example.com,2026-03-01,2026-04-01\nb@example.com,2026-03-02,2026-04-01\n'
  const log = await insertConnector(t.t, 'custom-file', {
    columns: { person: 'user', at: 'at' },
    verb: 'view',
    eventIdColumns: [],
  })
  const views = 'user,at\na@example.com,2026-03-01T00:00:00Z\na@example.com,2026-03-01T00:00:01Z\n'
  for (const [connectorId, file] of [
    [hr, leavers],
    [log, views],
  ] as const) {
    expect(await t.send(connectorId, file)).toMatchObject({ received: 2, stored: 2, duplicate: 0 })
    expect(await t.send(connectorId, `${file}\n`)).toMatchObject({ received: 2, stored: 0, duplicate: 2 })
  }
})
