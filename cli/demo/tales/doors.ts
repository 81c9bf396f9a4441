import type { Tale } from './tale.ts'

/** Somebody comes back by night after the last working day and tries the pharmacy; somebody else merely works late. */
export const doors: Tale = {
  id: 'doors',
  policy: { template: 'physical-access-departing-users', name: 'Physical access by departing users' },
  facts: ['staff'],
  evidence: ['doors'],
  found: ({ hospital }) => hospital.expectations.intruder,
  innocent: ({ hospital: { expectations } }) => [
    { who: 'somebody who merely works late', addresses: [expectations.late.address] },
  ],
  words: {
    comment: ({ address }) => `Why does the badge of ${address} still open a door?`,
    confirm: 'The last working day was three days before.',
    escalate: 'In by the side door at night, then four times at the pharmacy.',
    approve: 'The badge should have been taken back.',
    note: 'The badge is blocked, and nothing is missing in the pharmacy.',
    resolve: 'Trespass was reported; badges are now taken back on the last day.',
  },
  resolution: 'confirmed_violation',
}
