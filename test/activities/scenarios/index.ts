import type { ScenariosOf } from '../scenario.ts'
import type { ActivityName } from '../stage.ts'
import { alerts } from './alerts.ts'
import { approvals } from './approvals.ts'
import { backfills } from './backfills.ts'
import { exports_ } from './exports.ts'
import { health } from './health.ts'
import { identities } from './identities.ts'
import { imports } from './imports.ts'
import { processes } from './processes.ts'
import { setUps } from './set-ups.ts'
import { uploads } from './uploads.ts'

/** Every activity with the ways in which it is called; one without does not compile. */
export const scenarios: ScenariosOf<ActivityName> = {
  ...imports,
  ...setUps,
  ...uploads,
  ...backfills,
  ...alerts,
  ...approvals,
  ...exports_,
  ...health,
  ...identities,
  ...processes,
}
