import type { CheckResult } from '../../domain/prerequisite.ts'
import { list, number, object, text } from '../values.ts'

/** A service plan by its id: what a SKU is called and contains differs from contract to contract. */
export interface ServicePlan {
  name: string
  id: string
}

/** https://learn.microsoft.com/entra/identity/users/licensing-service-plan-reference */
export const SERVICE_PLANS = {
  defenderForEndpoint: { name: 'WINDEFATP', id: '871d91ec-ec1a-452b-a83f-bd76c7d770ef' },
} as const satisfies Record<string, ServicePlan>

const PENDING = new Set(['PendingInput', 'PendingActivation', 'PendingProvisioning'])

/**
 * Whether a tenant is licensed for a plan, from the body of `GET /v1.0/subscribedSkus`. A grace period, a plan that is
 * not active yet, and fewer seats than people are warnings: signals still come, or come for some.
 * Source: https://learn.microsoft.com/graph/api/subscribedsku-list
 */
export function licenceVerdict(body: unknown, plan: ServicePlan, people: number): CheckResult {
  const held = list(object(body)['value']).flatMap((sku) => {
    const { capabilityStatus, servicePlans, prepaidUnits, consumedUnits } = object(sku)
    const found = list(servicePlans).find((each) => text(object(each)['servicePlanId']) === plan.id)
    if (!found) return []
    const units = object(prepaidUnits)
    const enabled = number(units['enabled']) ?? 0
    const warning = number(units['warning']) ?? 0
    return [
      {
        status: text(capabilityStatus) ?? '',
        provisioning: text(object(found)['provisioningStatus']) ?? '',
        seats: enabled + warning,
        used: number(consumedUnits) ?? 0,
        isEnding: text(capabilityStatus) === 'Warning' || (warning > 0 && enabled === 0),
      },
    ]
  })
  if (held.length === 0)
    return { state: 'unmet', code: 'plan_missing', detail: `No licence of the tenant has ${plan.name}.` }
  const usable = held.filter(({ status }) => status === 'Enabled' || status === 'Warning')
  if (usable.length === 0) {
    return { state: 'unmet', code: 'licence_suspended', detail: `The licences with ${plan.name} are not in force.` }
  }
  const active = usable.filter(({ provisioning }) => provisioning === 'Success')
  if (active.length === 0) {
    return usable.some(({ provisioning }) => PENDING.has(provisioning))
      ? { state: 'warning', code: 'plan_pending', detail: `${plan.name} is licensed and not active yet.` }
      : { state: 'unmet', code: 'plan_disabled', detail: `${plan.name} is licensed and switched off.` }
  }
  if (active.every(({ isEnding }) => isEnding)) {
    return { state: 'warning', code: 'grace_period', detail: `The licences with ${plan.name} expired: a grace period.` }
  }
  const seats = active.reduce((sum, each) => sum + each.seats, 0)
  const used = active.reduce((sum, each) => sum + each.used, 0)
  if (seats < people) {
    return { state: 'warning', code: 'seats_short', detail: `${plan.name}: ${seats} seats for ${people} people.` }
  }
  if (used >= seats) {
    return { state: 'warning', code: 'seats_used_up', detail: `${plan.name}: all ${seats} seats are assigned.` }
  }
  return { state: 'met', code: 'licensed', detail: `${plan.name}: ${seats} seats, ${used} of them assigned.` }
}
