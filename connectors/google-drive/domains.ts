import type { GoogleDriveConfig } from './config.ts'

export const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

/** Whether an address or a domain belongs to the organisation: the admin's own domain always does. */
export function isInternal({
  admin,
  internalDomains,
}: Pick<GoogleDriveConfig, 'admin' | 'internalDomains'>): (addressOrDomain: string) => boolean {
  const own = new Set([domainOf(admin), ...internalDomains])
  return (addressOrDomain) => own.has(domainOf(addressOrDomain))
}
