import { isAddress } from '../values.ts'
import { isGuest } from './actor.ts'
import type { OfficeConfig } from './config.ts'

/** Whether an address or domain is outside; undefined where nothing says so: a tenant has domains that no record names. */
export type Outside = (addressOrDomain: string) => boolean | undefined

export function outsideOf({ internalDomains }: Pick<OfficeConfig, 'internalDomains'>): Outside {
  const own = new Set(internalDomains)
  return (addressOrDomain) => {
    if (isGuest(addressOrDomain)) return true
    const domain = addressOrDomain.slice(addressOrDomain.lastIndexOf('@') + 1).toLowerCase()
    return own.size === 0 ? undefined : !own.has(domain)
  }
}

/** Of several: outside as soon as one is. */
export function anyOutside(targets: readonly string[], outside: Outside): boolean | undefined {
  const told = targets.filter(isAddress).map(outside)
  if (told.includes(true)) return true
  return told.length > 0 && told.every((each) => each === false) ? false : undefined
}
