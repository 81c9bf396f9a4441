import { prerequisitesOf } from '../connectors/everywhere.ts'
import { connectorKind } from '../connectors/kinds.ts'
import type { Connection } from '../db/connection.ts'
import { type ConnectorRow, readConnector } from '../db/connectors.ts'
import { readDestination } from '../db/destinations.ts'
import { maskText } from '../db/masking.ts'
import { readPolicy } from '../db/policies.ts'
import {
  attest,
  attestationsOf,
  type PrerequisiteSubject,
  statusesOf,
  withdrawAttestation as withdraw,
} from '../db/prerequisites.ts'
import { blindNow } from '../db/queries/prerequisites.ts'
import { AppError } from '../domain/errors.ts'
import type { PrerequisiteWords } from '../domain/prerequisite.ts'
import { destinationPrerequisites } from '../exporters/prerequisites.ts'
import type { components } from '../openapi/generated/types.ts'
import { policyPrerequisites } from '../policies/prerequisites.ts'
import type { ApiDeps } from './deps.ts'
import { presentAttestation, presentPrerequisite } from './present-prerequisite.ts'
import { checkHealth, checkPrerequisites as checkNow, startCheck, startHealthRound } from './processes.ts'
import { inProcess, inTransaction, read } from './route.ts'

type Wire = components['schemas']
type Words = PrerequisiteWords & { guide: string }

/** An attestation holds for a year at most: afterwards somebody looks again. */
const LONGEST_ATTESTATION_MS = 366 * 86_400_000

/** What is asked of a subject, joined with what the last checks found. */
async function listOf(
  db: Connection,
  subject: PrerequisiteSubject,
  words: readonly Words[],
): Promise<Wire['PrerequisiteList']> {
  const statuses = await statusesOf(db, subject)
  const attestations = await attestationsOf(db, subject)
  const blind = await blindNow(db, subject)
  return {
    items: words.map((each) =>
      presentPrerequisite(each, {
        status: statuses.find(({ check_id }) => check_id === each.id),
        attestation: attestations.get(each.id),
        blindPolicies: blind.filter(({ check_id }) => check_id === each.id).map(({ policy_id }) => policy_id),
      }),
    ),
  }
}

function wordsOfKind(id: string): Words[] {
  const kind = connectorKind(id)
  return prerequisitesOf(kind).map((each) => ({ ...each, guide: each.guide ?? kind.guide }))
}

const ofConnector = (db: Connection, { id, kind }: Pick<ConnectorRow, 'id' | 'kind'>) =>
  listOf(db, { kind: 'connector', id }, wordsOfKind(kind))

async function ofPolicy(db: Connection, policyId: string) {
  const { id, template } = await readPolicy(db, policyId)
  return listOf(db, { kind: 'policy', id }, policyPrerequisites(template))
}

async function ofDestination(db: Connection, destinationId: string) {
  const { id } = await readDestination(db, destinationId)
  return listOf(db, { kind: 'destination', id }, destinationPrerequisites)
}

export const listPrerequisites = read('listPrerequisites', async ({ db, params }) => ({
  status: 200,
  body: await ofConnector(db, await readConnector(db, params.connectorId)),
}))

export const checkPrerequisites = inProcess('checkPrerequisites', async ({ db, deps, params }) => {
  const connector = await readConnector(db, params.connectorId)
  if (connector.state !== 'active' && connector.state !== 'paused') {
    throw new AppError('connector_not_active', `the connector is ${connector.state}`, {
      fix: connector.state === 'draft' ? 'Perform the step prerequisites of its set-up.' : 'Set up a new connector.',
    })
  }
  await checkNow(deps.temporal, connector.id, connector.kind)
  return {
    status: 200,
    body: await ofConnector(db, connector),
    audit: { action: 'connector.check-requested', subjectKind: 'connector', subjectId: connector.id },
  }
})

export const listPolicyPrerequisites = read('listPolicyPrerequisites', async ({ db, params }) => ({
  status: 200,
  body: await ofPolicy(db, params.policyId),
}))

export const checkPolicyPrerequisites = inProcess('checkPolicyPrerequisites', async ({ db, deps, params }) => {
  const { id } = await readPolicy(db, params.policyId)
  await checkHealth(deps.temporal)
  return {
    status: 200,
    body: await ofPolicy(db, id),
    audit: { action: 'policy.check-requested', subjectKind: 'policy', subjectId: id },
  }
})

export const listDestinationPrerequisites = read('listDestinationPrerequisites', async ({ db, params }) => ({
  status: 200,
  body: await ofDestination(db, params.destinationId),
}))

export const checkDestinationPrerequisites = inProcess(
  'checkDestinationPrerequisites',
  async ({ db, deps, params }) => {
    const { id } = await readDestination(db, params.destinationId)
    await checkHealth(deps.temporal)
    return {
      status: 200,
      body: await ofDestination(db, id),
      audit: { action: 'destination.check-requested', subjectKind: 'destination', subjectId: id },
    }
  },
)

export const attestPrerequisite = inTransaction('attestPrerequisite', async ({ db, deps, body, actor }) => {
  const { subject, prerequisiteId } = body
  const words = await wordsOfSubject(db, subject)
  if (!words.some(({ id }) => id === prerequisiteId)) {
    throw new AppError('invalid_request', `there is no such prerequisite ${prerequisiteId}`, {
      field: '/prerequisiteId',
      fix: `One of ${words.map(({ id }) => id).join(', ') || 'none: it has no prerequisites'}.`,
    })
  }
  const expiresAt = new Date(body.expiresAt)
  const ahead = expiresAt.getTime() - Date.now()
  if (ahead <= 0 || ahead > LONGEST_ATTESTATION_MS) {
    throw new AppError('invalid_request', 'an attestation ends within a year from now', {
      field: '/expiresAt',
      fix: 'Name the day on which somebody has to look again.',
    })
  }
  const evidence = await maskText(db, deps.vault, body.evidence)
  const id = await attest(db, subject, { checkId: prerequisiteId, staffId: actor.staffId, evidence, expiresAt })
  const stored = (await attestationsOf(db, subject)).get(prerequisiteId)
  if (stored?.id !== id) throw new AppError('state_conflict', 'another attestation came first')
  return {
    status: 201,
    body: presentAttestation(stored),
    audit: {
      action: `${subject.kind}.prerequisite-attested`,
      subjectKind: subject.kind,
      subjectId: subject.id,
      detail: { check: prerequisiteId, attestation_id: id, expires_at: expiresAt.toISOString() },
    },
    after: () => askAgain(deps, subject),
  }
})

export const withdrawAttestation = inTransaction('withdrawAttestation', async ({ db, deps, params, actor }) => {
  const { subject, checkId, changed } = await withdraw(db, params.attestationId, actor.staffId)
  return {
    status: 200,
    body: { id: params.attestationId },
    audit: changed
      ? {
          action: `${subject.kind}.attestation-withdrawn`,
          subjectKind: subject.kind,
          subjectId: subject.id,
          detail: { check: checkId, attestation_id: params.attestationId },
        }
      : { none: 'it was withdrawn already' },
    after: () => askAgain(deps, subject),
  }
})

/** Throws not_found. */
async function wordsOfSubject(db: Connection, { kind, id }: PrerequisiteSubject): Promise<readonly Words[]> {
  if (kind === 'connector') return wordsOfKind((await readConnector(db, id)).kind)
  if (kind === 'policy') return policyPrerequisites((await readPolicy(db, id)).template)
  await readDestination(db, id)
  return destinationPrerequisites
}

/** What an attestation changes shows at the next check. */
async function askAgain({ db, temporal }: ApiDeps, { kind, id }: PrerequisiteSubject): Promise<void> {
  if (kind !== 'connector') return startHealthRound(temporal)
  const row = await readConnector(db, id)
  await startCheck(temporal, row.id, row.kind)
}
