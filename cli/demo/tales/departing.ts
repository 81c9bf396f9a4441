import type { Person } from '../../../sandbox/organisation/index.ts'
import type { Outside } from '../outside.ts'
import type { Tale } from './tale.ts'

/** Five people leave; one of them takes data along, by night, out of S3 and through Dropbox. */
export const departing: Tale = {
  id: 'departing',
  policy: { template: 'data-theft-departing-users', name: 'Data theft by departing users' },
  facts: ['profiles', 'changes'],
  evidence: ['trail', 'files'],
  found(outside) {
    const { name, address } = takerOf(outside)
    return { ...name, address }
  },
  innocent: ({ organisation: { expectations } }) => [
    { who: 'the other leavers', addresses: expectations.noAlertsFor },
    { who: 'people who merge archives, ship a release or travel', addresses: expectations.innocentPeaks },
  ],
  words: {
    comment: ({ first, last, address }) => `Four nights. What do ${first} ${last} and ${address} hand over to anybody?`,
    confirm: 'Nothing of this is a handover.',
    escalate: 'Three nights of reading, a copy to another account, links for anybody, then deletion.',
    approve: 'The receipt is clear.',
    note: 'The other account belongs to a competitor; access was taken away.',
    resolve: 'Admitted in the presence of the works council.',
  },
  resolution: 'confirmed_violation',
}

function takerOf({ organisation }: Outside): Person {
  for (let index = 0; ; index += 1) {
    const person = organisation.person(index)
    if (person.role === 'leaver-taking') return person
  }
}
