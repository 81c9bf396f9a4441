import { daysFrom, sightOf, sightOfDay } from '../activities/sight.ts'
import { readPolicy } from '../db/policies.ts'
import { firstUnrecordedDay, recordedSight } from '../db/sight.ts'
import { AppError } from '../domain/errors.ts'
import { addDays, dayOf } from '../domain/window.ts'
import { read } from './route.ts'

/** Days that one answer holds. */
const MAP_DAYS = 366
const MAP_DAYS_UNLESS_GIVEN = 31

export const getPolicySight = read('getPolicySight', async ({ db, params, query }) => {
  const policy = await readPolicy(db, params.policyId)
  const today = dayOf(new Date())
  const to = givenDay(query.to, 'to') ?? today
  const from = givenDay(query.from, 'from') ?? addDays(to, 1 - MAP_DAYS_UNLESS_GIVEN)
  if (from > to || daysFrom(from, to).length > MAP_DAYS) {
    throw new AppError('invalid_request', `from ${from} to ${to} is no range of at most ${MAP_DAYS} days`, {
      field: 'from',
      fix: 'Ask for the days piece by piece.',
    })
  }
  const rows = await recordedSight(db, policy.id, from, to)
  // What is not written yet is told as it stands: today, and days whose round is still to come.
  const first = await firstUnrecordedDay(db, policy.id)
  const last = to < today ? to : today
  const live = first > from ? first : from
  if (live <= last) for (const day of daysFrom(live, last)) rows.push(...(await sightOfDay(db, policy, day)))
  const days = [...new Set(rows.map(({ day }) => day))]
  return {
    status: 200,
    body: {
      policyId: policy.id,
      days: days.map((day) => {
        const sources = rows.filter((row) => row.day === day)
        return {
          day,
          state: sightOf(sources),
          isOver: day < today,
          sources: sources.map(({ need, connectorId, state, blindSeconds, reasons, peopleShare, activityShare }) => ({
            need,
            connectorId,
            state,
            blindSeconds,
            reasons: [...reasons],
            peopleShare,
            activityShare,
          })),
        }
      }),
    },
  }
})

/** A day that the calendar has. */
function givenDay(text: string | undefined, field: string): string | undefined {
  if (text === undefined) return undefined
  const at = new Date(`${text}T00:00:00Z`)
  if (!Number.isNaN(at.getTime()) && dayOf(at) === text) return text
  throw new AppError('invalid_request', `${text} is no day`, { field, fix: 'Write it as 2026-05-03.' })
}
