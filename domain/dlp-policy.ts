/**
 * Policies of data loss prevention by which a finding came about, kept as flags of it: by the id that its source gives, by
 * the name, or by both. Compared without case; the same words whichever source tells of them.
 */

const ID = 'dlp_policy:'
const NAME = 'dlp_policy_name:'
const CHARACTERS_AT_MOST = 200

const form = (text: string): string => text.trim().toLowerCase().slice(0, CHARACTERS_AT_MOST)

export const dlpPolicyFlags = ({ ids = [], names = [] }: { ids?: readonly string[]; names?: readonly string[] }) => [
  ...new Set([...ids.map((id) => ID + form(id)), ...names.map((name) => NAME + form(name))]),
]

/** The flags of which a finding of any of these policies, chosen by id or by name, has one at least. */
export const flagsOfChoice = (chosen: readonly string[]): string[] => dlpPolicyFlags({ ids: chosen, names: chosen })

/** What the flags of a finding say of its policies. */
export const dlpPoliciesIn = (flags: readonly string[]): { ids: string[]; names: string[] } => ({
  ids: flags.filter((flag) => flag.startsWith(ID)).map((flag) => flag.slice(ID.length)),
  names: flags.filter((flag) => flag.startsWith(NAME)).map((flag) => flag.slice(NAME.length)),
})
