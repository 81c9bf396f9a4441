import { z } from 'zod'
import { normaliseToken } from './name-tokens.ts'
import { IDENTIFIER_SCHEMES, type Identifier } from './signal.ts'

/** By which equality two accounts are taken for one person's; what a join names as its reason. */
export const IDENTITY_RULES = [
  'plus_addresses',
  'domain_aliases',
  'account_names',
  'address_user_names',
  'sign_on_sessions',
  'leading_zeros',
] as const
export type IdentityRule = (typeof IDENTITY_RULES)[number]

const domain = z
  .string()
  .max(253)
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+$/)
  .transform((name) => name.toLowerCase())
const domains = z.array(domain).max(200).default([])

/**
 * Which accounts are one person's. UPNs and e-mail addresses that are equal but for case are one account anyway, as are
 * equal employee numbers and vendor ids. Everything else is off until it is listed here, but for what a source says itself.
 */
export const identityRules = z
  .strictObject({
    sourceAliases: z
      .array(z.enum(IDENTIFIER_SCHEMES))
      .default([...IDENTIFIER_SCHEMES])
      .meta({ title: 'Accounts that an HR record or a directory names join its person, by scheme' }),
    plusAddresses: domains.meta({ title: 'Domains whose anna+x@ is anna@' }),
    domainAliases: z
      .array(z.strictObject({ domain, aliases: z.array(domain).min(1).max(200) }))
      .max(200)
      .default([])
      .meta({ title: 'Domains whose addresses are those of another domain' }),
    accountNames: z
      .array(
        z.strictObject({
          domain,
          windowsDomains: z
            .array(
              z
                .string()
                .min(1)
                .max(255)
                .regex(/^[^\\@/\s]+$/)
                .transform(normaliseToken),
            )
            .max(50)
            .default([])
            .meta({ title: 'DOMAIN in DOMAIN\\anna' }),
          bare: z.boolean().default(false).meta({ title: 'anna alone as well' }),
        }),
      )
      .max(200)
      .default([])
      .meta({ title: 'Domains whose local parts are account names' }),
    addressUserNames: domains.meta({ title: 'Domains whose user names anna@domain are the address' }),
    signOnSessions: domains.meta({ title: 'Domains whose addresses name the session of an AWS sign-on role' }),
    leadingZeros: z.boolean().default(false).meta({ title: 'Employee number 007 is 7' }),
  })
  .check((context) => {
    const { accountNames, domainAliases } = context.value
    const issue = (path: (string | number)[], message: string) =>
      context.issues.push({ code: 'custom', path, message, input: context.value })
    const bare = accountNames.flatMap((each, index) => (each.bare ? [index] : []))
    if (bare.length > 1) issue(['accountNames', bare[1] as number, 'bare'], 'a bare name can belong to one domain only')
    const windows = new Map<string, number>()
    for (const [index, each] of accountNames.entries())
      for (const name of each.windowsDomains) {
        if (windows.has(name)) issue(['accountNames', index, 'windowsDomains'], 'a Windows domain is named twice')
        windows.set(name, index)
      }
    const meant = new Set(domainAliases.map((each) => each.domain))
    const aliases = new Set<string>()
    for (const [index, each] of domainAliases.entries())
      for (const alias of each.aliases) {
        if (meant.has(alias)) issue(['domainAliases', index, 'aliases'], 'an alias is a domain with aliases itself')
        if (aliases.has(alias)) issue(['domainAliases', index, 'aliases'], 'an alias belongs to two domains')
        aliases.add(alias)
      }
  })
export type IdentityRules = z.output<typeof identityRules>

export const DEFAULT_RULES: IdentityRules = identityRules.parse({})

/** Whether any rule can join accounts that no source named together. */
export const joinsByForm = (rules: IdentityRules): boolean =>
  rules.leadingZeros ||
  [rules.plusAddresses, rules.domainAliases, rules.accountNames, rules.addressUserNames, rules.signOnSessions].some(
    (list) => list.length > 0,
  )

/** An account as the rules spell it. Accounts with equal texts are one person's. `text` is *personal*. */
export interface IdentityForm {
  text: string
  /** Rules without which it would be spelled otherwise. */
  rules: IdentityRule[]
}

/** Names that many people share: no rule takes them for somebody's. */
const SHARED_NAMES = new Set(
  [
    'admin administrator root system guest test user users service support helpdesk info contact office sales hr',
    'noreply no-reply postmaster webmaster hostmaster abuse security backup scanner printer reception default',
  ].flatMap((line) => line.split(' ')),
)

const ADDRESS = /^([^@\s]+)@([^@\s]+)$/
/** An invited guest's UPN spells a foreign address: it is nobody's inside. */
const GUEST = /#ext#@/i
/** The role that IAM Identity Center makes; its session is named by the directory's user, not by whoever assumes it. */
const SIGN_ON_SESSION = /^arn:aws[\w-]*:sts::\d+:assumed-role\/awsreservedsso_[^/]+\/([^/]+)$/i

/** The form of an account; null where the rules say nothing about accounts of its kind. */
export function formOfIdentity({ scheme, value }: Identifier, rules: IdentityRules): IdentityForm | null {
  const name = normaliseToken(value.trim())
  switch (scheme) {
    case 'address':
      return addressForm(name, [], rules)
    case 'user_name':
      return userNameForm(name, rules)
    case 'aws_principal': {
      const session = SIGN_ON_SESSION.exec(name)?.[1] ?? ''
      const named = ADDRESS.exec(session)?.[2]
      return named !== undefined && rules.signOnSessions.includes(named)
        ? addressForm(session, ['sign_on_sessions'], rules)
        : null
    }
    case 'employee_number': {
      const plain = rules.leadingZeros ? value.trim().replace(/^0+(?=\d)/, '') : value.trim()
      const text = `employee_number\u001f${plain.normalize('NFC')}`
      return { text, rules: plain === value.trim() ? [] : ['leading_zeros'] }
    }
    default:
      return null
  }
}

function userNameForm(name: string, rules: IdentityRules): IdentityForm | null {
  const address = ADDRESS.exec(name)
  if (address) {
    return rules.addressUserNames.includes(address[2] as string)
      ? addressForm(name, ['address_user_names'], rules)
      : null
  }
  const [first = '', second, ...more] = name.split('\\')
  const local = second ?? first
  if (local === '' || more.length > 0 || SHARED_NAMES.has(local) || /[\\@\s]/.test(local)) return null
  const of = rules.accountNames.find((each) => (second === undefined ? each.bare : each.windowsDomains.includes(first)))
  return of ? addressForm(`${local}@${of.domain}`, ['account_names'], rules) : null
}

function addressForm(address: string, before: IdentityRule[], rules: IdentityRules): IdentityForm | null {
  const parts = ADDRESS.exec(address)
  if (!parts || GUEST.test(address)) return null
  const used = [...before]
  let [local, host] = [parts[1] as string, parts[2] as string]
  const plus = local.indexOf('+')
  const listed = rules.domainAliases.find(({ aliases }) => aliases.includes(host))
  const meant = listed?.domain ?? host
  if (plus > 0 && (rules.plusAddresses.includes(host) || rules.plusAddresses.includes(meant))) {
    local = local.slice(0, plus)
    used.push('plus_addresses')
  }
  // A mailbox of many people in one domain is none of the one in another.
  if (listed && !SHARED_NAMES.has(local)) {
    host = meant
    used.push('domain_aliases')
  }
  return { text: `address\u001f${local}@${host}`, rules: used }
}
