import { all, answerOf, until, type Wire } from '../asking.ts'
import type { Journal } from '../journal.ts'
import type { Kept } from '../outside.ts'
import { some } from '../screen.ts'
import { DESTINATIONS, type DestinationKey, mustBe, type Story } from '../story.ts'

/** Holds what both receivers have against every version of every alert. */
export async function tell(story: Story, destinations: Record<DestinationKey, string>): Promise<void> {
  const { screen, outside, report } = story
  screen.chapter('Tell', 'the SIEM has every version, in order, and can prove that nothing is missing')
  report.deliveries = []
  for (const kind of ['webhook', 'syslog'] as const) {
    const { journal } = outside[kind]
    const received = await screen.step(
      DESTINATIONS[kind],
      () => receivedAll(story, destinations[kind], journal),
      (events) => `${some(events.length, 'event')}, numbers 1–${events.length} without a gap`,
    )
    report.deliveries.push({
      destination: DESTINATIONS[kind],
      accepted: received.length,
      received: received.map(({ number, type }) => ({ number, type })),
    })
  }
  for (const { story: tale, versions } of report.alerts) {
    screen.note(`${tale}: ${versions.map(({ change }) => change.replace('_', ' ')).join(' → ')}`)
  }
}

async function receivedAll(story: Story, destinationId: string, journal: Journal<Kept>): Promise<Kept[]> {
  const { operator, siem } = story.staff
  const params = { path: { destinationId } }
  const accepted = await until(
    () => answerOf(() => operator.ask.GET('/destinations/{destinationId}', { params })),
    ({ state, acceptedNumber, lastNumber }) => state === 'stopped' || (lastNumber > 0 && acceptedNumber === lastNumber),
    { what: 'the delivery of everything' },
  )
  mustBe(
    accepted.state === 'active',
    `the destination ${accepted.name} stopped: ${accepted.stopReason?.detail ?? 'no reason was given'}`,
  )
  const deliveries = await all<Wire['Delivery']>((cursor) =>
    siem.ask.GET('/destinations/{destinationId}/deliveries', {
      params: { ...params, query: cursor ? { cursor } : {} },
    }),
  )
  // Syslog acknowledges nothing: what the platform has sent may still be on its way into the receiver.
  const received = await until(
    async () => distinct(journal.entries),
    (events) => events.length >= deliveries.length,
    { what: `the arrival of ${some(deliveries.length, 'event')}`, withinMs: 30_000 },
  )
  mustBe(
    received.map(({ number }) => number).join() === deliveries.map((_, index) => index + 1).join(),
    `${accepted.name} holds the numbers ${received.map(({ number }) => number).join(', ')} of 1 to ${deliveries.length}`,
  )
  const versions = story.report.alerts.reduce((sum, alert) => sum + alert.versions.length, 0)
  const events = deliveries.filter(({ alertVersion }) => alertVersion !== null)
  mustBe(events.length === versions, `${accepted.name} got ${events.length} of ${some(versions, 'alert version')}`)
  return received
}

/** In the order of their first arrival, repetitions taken out by the event's id. */
function distinct(entries: readonly Kept[]): Kept[] {
  const byId = new Map<string, Kept>()
  for (const entry of entries) if (!byId.has(entry.eventId)) byId.set(entry.eventId, entry)
  return [...byId.values()]
}
