import type { Tale } from './tale.ts'

/** A few dozen people work on the wards of a hospital; one of them looks up family, neighbours and colleagues of an evening. */
export const patients: Tale = {
  id: 'patients',
  policy: { template: 'patient-data-misuse', name: 'Patient data misuse' },
  facts: ['staff'],
  evidence: ['records'],
  found: ({ hospital }) => hospital.expectations.nosy,
  innocent: ({ hospital: { expectations } }) => [
    {
      who: 'nurses of a relative or a neighbour, and an emergency behind the glass',
      addresses: expectations.innocent.map(({ address }) => address),
    },
  ],
  words: {
    comment: ({ first, last }) => `Is any of these a patient of ${first} ${last}? The ward says no.`,
    confirm: 'Nobody of them was treated on the ward, and no reason was given.',
    escalate: 'A household, a street and two colleagues in one evening, each behind the glass.',
    approve: 'The receipt shows one evening and no patient of the own ward.',
    note: 'The access was not asked for by anybody. The patients will be told.',
    resolve: 'Admitted; the data protection officer has the report.',
  },
  resolution: 'confirmed_violation',
}
