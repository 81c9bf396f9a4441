import type { Connection } from '../db/connection.ts'
import { attestationsOf, type CheckOutcome, type PrerequisiteSubject } from '../db/prerequisites.ts'
import { isAppError } from '../domain/errors.ts'
import { attested, type CheckResult, type PrerequisiteWords, VALID_HOURS } from '../domain/prerequisite.ts'

/** One check answers within this time or is unknown. */
const CHECK_TIMEOUT_MS = 20_000

export interface Asked extends PrerequisiteWords {
  guide: string
  mendedBy: CheckOutcome['mendedBy']
  check(signal: AbortSignal): Promise<CheckResult>
}

/** Makes the checks of one subject, one after the other; what none can find out, its attestation answers. */
export async function askAll(
  db: Connection,
  subject: PrerequisiteSubject,
  asked: readonly Asked[],
  now: Date,
): Promise<CheckOutcome[]> {
  const attestations = await attestationsOf(db, subject)
  const outcomes: CheckOutcome[] = []
  for (const each of asked) {
    const found = await each.check(AbortSignal.timeout(CHECK_TIMEOUT_MS))
    outcomes.push({ ...placeOf(each), ...attested(found, attestations.get(each.id) ?? null, now) })
  }
  return outcomes
}

/** A check that asks somebody outside: one that cannot be made says nothing about the condition. */
export const outside =
  (check: Asked['check']): Asked['check'] =>
  async (signal) => {
    try {
      return await check(signal)
    } catch (error) {
      const code = isAppError(error) ? error.code : 'check_failed'
      return { state: 'unknown', code, detail: 'The check itself could not be made.' }
    }
  }

export const placeOf = ({
  id,
  guide,
  anchor,
  mendedBy,
  onUnmet = 'pause',
  validHours = VALID_HOURS,
}: Omit<Asked, 'check'>) => ({
  checkId: id,
  guide: `${guide}#${anchor}`,
  mendedBy,
  onUnmet,
  validHours,
})
