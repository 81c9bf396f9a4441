import { alertsOfPerson } from '../db/queries/alerts.ts'
import * as queries from '../db/queries/people.ts'
import type { components } from '../openapi/generated/types.ts'
import { presentAlert } from './present-alert.ts'
import { inTransaction, iso, isoOrNull } from './route.ts'

type Wire = components['schemas']
type Row = Awaited<ReturnType<typeof queries.readPerson>>

const present = (row: Row): Wire['PersonSummary'] => ({
  uid: row.uid,
  pseudonym: row.pseudonym,
  identities: row.identities ?? 0,
  openAlerts: row.open_alerts ?? 0,
  knownSince: iso(row.created_at),
})

export const listPeople = inTransaction('listPeople', async ({ db, page, query, paged }) => {
  const found = await queries.listPeople(db, page, query)
  return {
    status: 200,
    body: paged(found, present),
    audit: { action: 'person.listed', subjectKind: 'people', subjectId: 'all', detail: { people: found.rows.length } },
  }
})

export const getPerson = inTransaction('getPerson', async ({ db, params }) => {
  const row = await queries.readPerson(db, params.personUid)
  const facts = await queries.factsOf(db, row.id)
  const alerts = await alertsOfPerson(db, row.id)
  return {
    status: 200,
    body: {
      ...present(row),
      facts: facts.map((fact) => ({
        kind: fact.kind,
        effectiveAt: iso(fact.effective_at),
        lastWorkingAt: isoOrNull(fact.last_working_at),
        withdrawn: fact.withdrawn,
        recordedAt: iso(fact.recorded_at),
      })),
      alerts: alerts.map(presentAlert),
    },
    audit: { action: 'person.read', subjectKind: 'person', subjectId: row.uid },
  }
})
