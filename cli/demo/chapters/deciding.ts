import type { Person } from '../../../sandbox/organisation/index.ts'
import { all, answerOf, once, problemOf, until, type Wire } from '../asking.ts'
import { mustBe, type Story } from '../story.ts'
import type { Watched } from './watching.ts'

/** Two people decide: one asks for a case, another agrees. Then the case is worked on. */
export async function decide(story: Story, { alert }: Watched): Promise<void> {
  const { screen } = story
  screen.chapter('Decide', 'an analyst asks, somebody else approves; nobody sees a name')
  await screen.step(
    'Analyst',
    () => triage(story, alert.id),
    (comment) => `assigned, confirmed; wrote “${comment}”`,
  )
  const approval = await screen.step(
    'Escalation',
    () => escalate(story, alert.id),
    () => 'asked for; the analyst tried to approve it and was refused',
  )
  await screen.step(
    'Approver',
    () => approve(story, approval),
    () => 'read the receipt, approved',
  )
  await screen.step(
    'Case',
    () => workOnCase(story, alert.id),
    ({ state, resolution }) => `opened, worked on by an investigator, ${state}: ${resolution?.replace('_', ' ')}`,
  )
  await reportDecisions(story)
}

const readAlert = (story: Story, alertId: string): Promise<Wire['Alert']> =>
  answerOf(() => story.staff.analyst.ask.GET('/alerts/{alertId}', { params: { path: { alertId } } }))

/** What the analyst writes names the person; what is stored does not. */
async function triage(story: Story, alertId: string): Promise<string> {
  const { ask, staffId } = story.staff.analyst
  const path = { alertId }
  const alert = await readAlert(story, alertId)
  if (alert.assigneeId !== staffId && alert.state === 'needs_review') {
    const params = { path, ...once('alert.assign') }
    await answerOf(() => ask.POST('/alerts/{alertId}/assign', { params, body: { assigneeId: staffId } }))
  }
  const comments = () =>
    all((cursor) => ask.GET('/alerts/{alertId}/comments', { params: { path, query: cursor ? { cursor } : {} } }))
  if ((await comments()).length === 0) {
    const { name, address } = takerOf(story)
    const comment = `Four nights. What do ${name.first} ${name.last} and ${address} hand over to anybody?`
    const params = { path, ...once('alert.comment') }
    await answerOf(() => ask.POST('/alerts/{alertId}/comments', { params, body: { comment } }))
  }
  if (alert.state === 'needs_review') {
    const params = { path, ...once('alert.confirm') }
    await answerOf(() =>
      ask.POST('/alerts/{alertId}/confirm', { params, body: { comment: 'Nothing of this is a handover.' } }),
    )
  }
  return (await comments())[0]?.body ?? ''
}

function takerOf({ outside: { organisation }, home }: Story): Person {
  for (let index = 0; index < home.plot.people; index += 1) {
    const person = organisation.person(index)
    if (organisation.expectations.alertsFor.includes(person.address)) return person
  }
  throw new Error('a story without somebody who takes data')
}

const approvalsOf = async (story: Story, alertId: string): Promise<Wire['Approval'][]> =>
  (
    await all((cursor) => story.staff.approver.ask.GET('/approvals', { params: { query: cursor ? { cursor } : {} } }))
  ).filter((approval) => approval.alertId === alertId)

async function escalate(story: Story, alertId: string): Promise<Wire['Approval']> {
  const { ask } = story.staff.analyst
  if ((await approvalsOf(story, alertId)).length === 0) {
    const params = { path: { alertId }, ...once('alert.escalate') }
    const body = { comment: 'Three nights of reading, a copy to another account, then deletion.' }
    await answerOf(() => ask.POST('/alerts/{alertId}/escalate', { params, body }))
  }
  const [approval] = await approvalsOf(story, alertId)
  mustBe(approval !== undefined, 'the escalation asked for no approval')
  const params = { path: { approvalId: approval.id }, ...once('approval.self') }
  const self = await ask.POST('/approvals/{approvalId}/decide', { params, body: { decision: 'approve' } })
  const refusal = self.error === undefined ? undefined : problemOf(self.error, self.response)
  mustBe(
    refusal?.code === 'not_found' || refusal?.code === 'forbidden',
    'the analyst could decide about their own question',
  )
  return approval
}

async function approve(story: Story, { id, alertId, state }: Wire['Approval']): Promise<void> {
  if (state !== 'pending') return
  const { ask } = story.staff.approver
  await answerOf(() => ask.GET('/alerts/{alertId}/receipt', { params: { path: { alertId } } }))
  const params = { path: { approvalId: id }, ...once('approval.decide') }
  const body = { decision: 'approve' as const, comment: 'The receipt is clear.' }
  const decided = await answerOf(() => ask.POST('/approvals/{approvalId}/decide', { params, body }))
  mustBe(decided.state === 'approved', `the approval is ${decided.state} after its one approver agreed`)
}

async function workOnCase(story: Story, alertId: string): Promise<Wire['Case']> {
  const { analyst, investigator } = story.staff
  const found = await until(
    async () => {
      const cases = await all((cursor) => analyst.ask.GET('/cases', { params: { query: cursor ? { cursor } : {} } }))
      return cases.find(({ alertIds }) => alertIds.includes(alertId))
    },
    (one) => one !== undefined,
    { what: 'the case of the approved escalation' },
  )
  let current = found as Wire['Case']
  const path = { caseId: current.id }
  if (current.state === 'active' && current.assigneeId !== investigator.staffId) {
    const params = { path, ...once('case.assign') }
    const body = { assigneeId: investigator.staffId }
    current = await answerOf(() => analyst.ask.POST('/cases/{caseId}/assign', { params, body }))
  }
  const { ask } = investigator
  const notes = await all((cursor) =>
    ask.GET('/cases/{caseId}/notes', { params: { path, query: cursor ? { cursor } : {} } }),
  )
  if (current.state === 'active' && notes.length === 0) {
    const params = { path, ...once('case.note') }
    const body = { comment: 'The other account belongs to a competitor; access was taken away.' }
    current = await answerOf(() => ask.POST('/cases/{caseId}/notes', { params, body }))
  }
  if (current.state === 'active') {
    const params = { path, ...once('case.resolve') }
    const body = {
      resolution: 'confirmed_violation' as const,
      comment: 'Admitted in the presence of the works council.',
    }
    current = await answerOf(() => ask.POST('/cases/{caseId}/resolve', { params, body }))
  }
  await until(
    () => readAlert(story, alertId),
    ({ state }) => state === 'resolved',
    { what: 'the end of the alert' },
  )
  return current
}

async function reportDecisions(story: Story): Promise<void> {
  const { analyst, siem } = story.staff
  const { report } = story
  const alerts = await all((cursor) => analyst.ask.GET('/alerts', { params: { query: cursor ? { cursor } : {} } }))
  report.alerts = []
  report.approvals = []
  for (const alert of alerts) {
    const path = { alertId: alert.id }
    const receipt = await answerOf(() => analyst.ask.GET('/alerts/{alertId}/receipt', { params: { path } }))
    const versions = await all((cursor) =>
      siem.ask.GET('/alerts/{alertId}/versions', { params: { path, query: cursor ? { cursor } : {} } }),
    )
    report.alerts.push({
      severity: alert.severity,
      score: alert.score,
      state: alert.state,
      contributions: receipt.contributions.length,
      versions: versions.reverse().map(({ version, change, state, score }) => ({ version, change, state, score })),
    })
    for (const { kind, state, decisions } of await approvalsOf(story, alert.id)) {
      report.approvals.push({ kind, state, decisions: decisions.length })
    }
  }
  const cases = await all((cursor) => analyst.ask.GET('/cases', { params: { query: cursor ? { cursor } : {} } }))
  report.cases = cases.map(({ state, resolution }) => ({ state, resolution }))
}
