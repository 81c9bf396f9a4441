import { defineConnector } from '../connector.ts'
import { config } from './config.ts'
import { map } from './map.ts'
import { credentialEnd, prerequisites } from './prerequisites.ts'
import { read } from './read.ts'

export const microsoftGraphUsers = defineConnector({
  id: 'microsoft-graph-users',
  title: 'Microsoft Entra users',
  says: 'Users of the directory as they change: their accounts, department, manager and leave date.',
  delivery: 'pull',
  yields: { activities: false, facts: ['employee_profile', 'resignation', 'account_deleted'] },
  guide: 'docs/guides/microsoft-graph-users.md',
  config,
  everySeconds: 900,
  prerequisites,
  credentialEnd,
  read,
  pull: {
    // Small tenants have 3,500 resource units in ten seconds; a page costs a few.
    limit: { requests: 200, perSeconds: 10 },
    // A change is handed out once it can be read, and not before: nothing is late.
    overlapSeconds: null,
    sweep: null,
  },
  map,
})
