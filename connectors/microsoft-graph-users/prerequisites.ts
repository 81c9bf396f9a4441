import { type PrerequisiteInput, prerequisiteFor } from '../connector.ts'
import { judged } from '../judged.ts'
import { rolesVerdict } from '../microsoft/app.ts'
import { openTenant, rolesAt } from '../microsoft/tenant.ts'
import { openDirectory } from './client.ts'
import type { GraphUsersConfig } from './config.ts'

const NEEDED = ['User.Read.All']
const LEAVE_DATES = 'User-LifeCycleInfo.Read.All'
/** With this the end of the client secret is known. */
const USEFUL = ['Application.Read.All']

const prerequisite = prerequisiteFor<GraphUsersConfig>()

export const prerequisites = [
  prerequisite({
    id: 'app-roles',
    title: 'The app has what it needs and no more',
    anchor: 'permission',
    verdicts: ['met', 'warning', 'unmet', 'unknown'],
    address: 'https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps',
    steps: ['API permissions › Add › Microsoft Graph › Application permissions.', 'Grant admin consent.'],
    blind: 'Departments, leave dates and accounts of the directory.',
    when: 'before',
    check: ({ config, access, signal }) =>
      judged(async () => {
        const roles = await rolesAt({ ...config, resource: config.graphUrl }, access, signal)
        return rolesVerdict(roles, [...NEEDED, ...(config.leaveDates ? [LEAVE_DATES] : [])], USEFUL)
      }),
  }),
  prerequisite({
    id: 'users-readable',
    title: 'The app may read users',
    anchor: 'permission',
    verdicts: ['met', 'unmet', 'unknown'],
    blind: 'Departments, leave dates and accounts of the directory.',
    when: 'before',
    check: (input) =>
      judged(async () => {
        const users = await openDirectory(input).probe()
        return users > 0
          ? { state: 'met', code: 'read', detail: 'A user was read.' }
          : { state: 'met', code: 'read_none', detail: 'Users may be read; the tenant has none.' }
      }),
  }),
]

/** When the client secret ends, as far as the app may read its own registration. */
export const credentialEnd = (input: PrerequisiteInput<GraphUsersConfig>): Promise<Date | null> =>
  openTenant(input).secretEnd()
