import type { ReadInput } from '../connector.ts'
import type { Explain } from '../http/refusal.ts'
import { object, text } from '../values.ts'
import type { GraphAlertsConfig } from './config.ts'

export interface AlertsPage {
  alerts: unknown[]
  /** Where the next page is, on the configured host; null at the end. */
  next: string | null
}

/** Alerts as one of the two APIs has them. Both speak OData and name the same alert by the same id. */
export interface SecurityAlerts {
  api: GraphAlertsConfig['api']
  /** Members by which alerts are found. */
  fields: { created: string; updated: string }
  /** The first page of what an OData filter finds. */
  find(filter: string): Promise<AlertsPage>
  goOn(link: string): Promise<AlertsPage>
  /** False for a link of another cloud: the address in the settings was changed since. */
  isOwn(link: string): boolean
  /** One alert, to see whether they may be read. */
  probe(): Promise<AlertsPage>
}

export type Opened = Pick<ReadInput<GraphAlertsConfig>, 'config' | 'access' | 'signal'>

/** https://learn.microsoft.com/graph/errors, https://learn.microsoft.com/defender-endpoint/api/common-errors */
export const explain: Explain = (body) => {
  const reason = text(object(object(body)['error'])['code'])
  return reason === undefined ? {} : { reason }
}
