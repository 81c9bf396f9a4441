import type { statusesOf } from '../db/prerequisites.ts'
import type { Attestation, PrerequisiteWords } from '../domain/prerequisite.ts'
import { VALID_HOURS } from '../domain/prerequisite.ts'
import type { components } from '../openapi/generated/types.ts'
import { iso, isoOrNull } from './route.ts'

type Wire = components['schemas']
type Words = PrerequisiteWords & { guide: string }
type Status = Awaited<ReturnType<typeof statusesOf>>[number]

/** What a prerequisite says of itself, before anything was asked. */
export const declared = ({ onUnmet = 'pause', validHours = VALID_HOURS, ...words }: Words) => ({
  id: words.id,
  title: words.title,
  guide: `${words.guide}#${words.anchor}`,
  onUnmet,
  validHours,
  blind: words.blind ?? null,
  steps: [...(words.steps ?? [])],
  address: words.address ?? null,
})

export interface Known {
  status: Status | undefined
  attestation: (Attestation & { id: string; staffId: string; evidence: string }) | undefined
  blindPolicies: string[]
}

/** With what the last check found; an answer that no longer holds is none. */
export function presentPrerequisite(words: Words, { status, attestation, blindPolicies }: Known): Wire['Prerequisite'] {
  const holds = status !== undefined && status.valid_until > new Date()
  return {
    ...declared(words),
    state: (holds ? status.state : 'unknown') as Wire['Prerequisite']['state'],
    code: status === undefined ? null : holds ? status.code : 'answer_too_old',
    detail: status?.detail ?? null,
    since: isoOrNull(status?.since ?? null),
    checkedAt: isoOrNull(status?.checked_at ?? null),
    validUntil: isoOrNull(status?.valid_until ?? null),
    blindPolicies,
    attestation: attestation ? presentAttestation(attestation) : null,
  }
}

export const presentAttestation = ({
  id,
  staffId,
  evidence,
  attestedAt,
  expiresAt,
}: Attestation & { id: string; staffId: string; evidence: string }): Wire['Attestation'] => ({
  id,
  staffId,
  evidence,
  attestedAt: iso(attestedAt),
  expiresAt: iso(expiresAt),
})
