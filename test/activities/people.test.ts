import { proveAll } from './proving.ts'
import { alerts } from './scenarios/alerts.ts'
import { approvals } from './scenarios/approvals.ts'
import { exports_ } from './scenarios/exports.ts'
import { health } from './scenarios/health.ts'
import { identities } from './scenarios/identities.ts'
import { setUps } from './scenarios/set-ups.ts'

proveAll({ ...setUps, ...alerts, ...approvals, ...exports_, ...health, ...identities })
