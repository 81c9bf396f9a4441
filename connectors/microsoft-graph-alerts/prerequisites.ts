import type { PrerequisiteWords } from '../../domain/prerequisite.ts'
import { type PrerequisiteInput, prerequisiteFor, type Variant } from '../connector.ts'
import { judged } from '../judged.ts'
import { rolesVerdict } from '../microsoft/app.ts'
import { licenceVerdict, SERVICE_PLANS, type ServicePlan } from '../microsoft/licences.ts'
import { openTenant, rolesAt } from '../microsoft/tenant.ts'
import { openAlerts } from './client.ts'
import type { GraphAlertsConfig } from './config.ts'

/** What the app needs at each API. */
const NEEDED = { graph: ['SecurityAlert.Read.All'], defender: ['Alert.Read.All'] } as const
/** With these the checks below ask what an admin would otherwise attest. */
const USEFUL = ['Organization.Read.All', 'Application.Read.All']

/** Alerts of one product come from a tenant that is licensed for it; those of the others come all the same. */
const licence = (plan: ServicePlan, words: Omit<PrerequisiteWords, 'verdicts'>) =>
  prerequisite({
    verdicts: ['met', 'warning', 'unmet', 'unknown'],
    when: 'before',
    onUnmet: 'warn',
    address: 'https://admin.microsoft.com/#/subscriptions',
    ...words,
    check: (input) =>
      judged(async () => {
        if (input.config.api === 'defender') {
          // This API belongs to the product: without it nobody answers.
          await openAlerts(input).probe()
          return { state: 'met', code: 'answered', detail: 'Defender for Endpoint itself answers.' }
        }
        const body = await openTenant(input).licences()
        return body === null
          ? {
              state: 'unknown',
              code: 'licences_unreadable',
              detail: 'The app may not read licences: grant Organization.Read.All, or attest it.',
            }
          : licenceVerdict(body, plan, input.history.people)
      }),
  })

const prerequisite = prerequisiteFor<GraphAlertsConfig>()

export const prerequisites = [
  prerequisite({
    id: 'app-roles',
    title: 'The app has what it needs and no more',
    anchor: 'permission',
    verdicts: ['met', 'warning', 'unmet', 'unknown'],
    address: 'https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps',
    steps: ['API permissions › Add › Microsoft Graph › Application permissions.', 'Grant admin consent.'],
    blind: 'All alerts.',
    when: 'before',
    check: ({ config, access, signal }) =>
      judged(async () => {
        const resource = config.api === 'defender' ? config.defenderResource : config.graphUrl
        return rolesVerdict(await rolesAt({ ...config, resource }, access, signal), NEEDED[config.api], USEFUL)
      }),
  }),
  prerequisite({
    id: 'alerts-readable',
    title: 'The app may read security alerts',
    anchor: 'permission',
    verdicts: ['met', 'unmet', 'unknown'],
    blind: 'All alerts.',
    when: 'before',
    check: (input) =>
      judged(async () => {
        const { alerts } = await openAlerts(input).probe()
        const found = alerts.length > 0 ? 'The newest alert was read.' : 'Alerts may be read; the tenant has none.'
        return { state: 'met', code: alerts.length > 0 ? 'read' : 'read_none', detail: found }
      }),
  }),
  licence(SERVICE_PLANS.defenderForEndpoint, {
    id: 'defender-plan',
    title: 'The tenant is licensed for Defender for Endpoint, plan 2',
    anchor: 'licences',
    steps: ['Assign licences with the service plan Microsoft Defender for Endpoint (WINDEFATP).'],
    blind: 'Alerts of Defender for Endpoint: policies on security violations.',
  }),
]

/** When the client secret ends, as far as Graph is in use and the app may read its own registration. */
export const credentialEnd = async (input: PrerequisiteInput<GraphAlertsConfig>): Promise<Date | null> =>
  input.config.api === 'graph' ? openTenant(input).secretEnd() : null

/** It belongs to Defender itself and knows neither licences nor the registration of the app. */
export const olderApi: Variant<GraphAlertsConfig> = {
  name: 'older API',
  settings: { api: 'defender' },
  verdicts: { 'defender-plan': ['met', 'unmet', 'unknown'], 'credential-end': ['unknown'] },
}
