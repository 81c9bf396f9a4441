import { all, answerOf, once, problemOf, until, type Wire } from '../asking.ts'
import { mustBe, type Story } from '../story.ts'
import type { Tale } from '../tales/index.ts'
import type { Watched } from './watching.ts'

/** Two people decide about each alert: one asks for a case, another agrees. Then the case is worked on. */
export async function decide(story: Story, watched: readonly Watched[]): Promise<void> {
  const { screen, report } = story
  screen.chapter('Decide', 'an analyst asks, somebody else approves; nobody sees a name')
  Object.assign(report, { alerts: [], approvals: [], cases: [] })
  // One after the other: the receivers are told in the order in which people decide.
  for (const each of watched) await decideAbout(story, each)
}

async function decideAbout(story: Story, { tale, alert }: Watched): Promise<void> {
  const { screen } = story
  await screen.step(
    tale.policy.name,
    async (line) => {
      line.show('an analyst looks')
      const comment = await triage(story, tale, alert.id)
      line.show('the analyst asks')
      const approval = await escalate(story, tale, alert.id)
      line.show('somebody else decides')
      await approve(story, tale, approval)
      line.show('a case is worked on')
      const closed = await workOnCase(story, tale, alert.id)
      await reportDecisions(story, tale, alert.id, closed)
      return { comment, closed }
    },
    ({ comment, closed: { state, resolution } }) => [
      `${state}: ${resolution?.replace('_', ' ')}`,
      `analyst: assigned, confirmed; wrote “${comment}”`,
      'escalation: asked for; the analyst tried to approve it and was refused',
      'approver: read the receipt, approved',
      'case: opened, worked on by an investigator, closed',
    ],
  )
}

const readAlert = (story: Story, alertId: string): Promise<Wire['Alert']> =>
  answerOf(() => story.staff.analyst.ask.GET('/alerts/{alertId}', { params: { path: { alertId } } }))

/** What the analyst writes names the person; what is stored does not. */
async function triage(story: Story, tale: Tale, alertId: string): Promise<string> {
  const { ask, staffId } = story.staff.analyst
  const path = { alertId }
  const alert = await readAlert(story, alertId)
  if (alert.assigneeId !== staffId && alert.state === 'needs_review') {
    const params = { path, ...once(`${tale.id}.alert.assign`) }
    await answerOf(() => ask.POST('/alerts/{alertId}/assign', { params, body: { assigneeId: staffId } }))
  }
  const comments = () =>
    all((cursor) => ask.GET('/alerts/{alertId}/comments', { params: { path, query: cursor ? { cursor } : {} } }))
  if ((await comments()).length === 0) {
    const comment = tale.words.comment(tale.found(story.outside))
    const params = { path, ...once(`${tale.id}.alert.comment`) }
    await answerOf(() => ask.POST('/alerts/{alertId}/comments', { params, body: { comment } }))
  }
  if (alert.state === 'needs_review') {
    const params = { path, ...once(`${tale.id}.alert.confirm`) }
    await answerOf(() => ask.POST('/alerts/{alertId}/confirm', { params, body: { comment: tale.words.confirm } }))
  }
  return (await comments())[0]?.body ?? ''
}

const approvalsOf = async (story: Story, alertId: string): Promise<Wire['Approval'][]> =>
  (
    await all((cursor) => story.staff.approver.ask.GET('/approvals', { params: { query: cursor ? { cursor } : {} } }))
  ).filter((approval) => approval.alertId === alertId)

async function escalate(story: Story, tale: Tale, alertId: string): Promise<Wire['Approval']> {
  const { ask } = story.staff.analyst
  if ((await approvalsOf(story, alertId)).length === 0) {
    const params = { path: { alertId }, ...once(`${tale.id}.alert.escalate`) }
    const body = { comment: tale.words.escalate }
    await answerOf(() => ask.POST('/alerts/{alertId}/escalate', { params, body }))
  }
  const [approval] = await approvalsOf(story, alertId)
  mustBe(approval !== undefined, 'the escalation asked for no approval')
  const params = { path: { approvalId: approval.id }, ...once(`${tale.id}.approval.self`) }
  const self = await ask.POST('/approvals/{approvalId}/decide', { params, body: { decision: 'approve' } })
  const refusal = self.error === undefined ? undefined : problemOf(self.error, self.response)
  mustBe(
    refusal?.code === 'not_found' || refusal?.code === 'forbidden',
    'the analyst could decide about their own question',
  )
  return approval
}

async function approve(story: Story, tale: Tale, { id, alertId, state }: Wire['Approval']): Promise<void> {
  if (state !== 'pending') return
  const { ask } = story.staff.approver
  await answerOf(() => ask.GET('/alerts/{alertId}/receipt', { params: { path: { alertId } } }))
  const params = { path: { approvalId: id }, ...once(`${tale.id}.approval.decide`) }
  const body = { decision: 'approve' as const, comment: tale.words.approve }
  const decided = await answerOf(() => ask.POST('/approvals/{approvalId}/decide', { params, body }))
  mustBe(decided.state === 'approved', `the approval is ${decided.state} after its one approver agreed`)
}

async function workOnCase(story: Story, tale: Tale, alertId: string): Promise<Wire['Case']> {
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
    const params = { path, ...once(`${tale.id}.case.assign`) }
    const body = { assigneeId: investigator.staffId }
    current = await answerOf(() => analyst.ask.POST('/cases/{caseId}/assign', { params, body }))
  }
  const { ask } = investigator
  const notes = await all((cursor) =>
    ask.GET('/cases/{caseId}/notes', { params: { path, query: cursor ? { cursor } : {} } }),
  )
  if (current.state === 'active' && notes.length === 0) {
    const params = { path, ...once(`${tale.id}.case.note`) }
    const body = { comment: tale.words.note }
    current = await answerOf(() => ask.POST('/cases/{caseId}/notes', { params, body }))
  }
  if (current.state === 'active') {
    const params = { path, ...once(`${tale.id}.case.resolve`) }
    const body = { resolution: tale.resolution, comment: tale.words.resolve }
    current = await answerOf(() => ask.POST('/cases/{caseId}/resolve', { params, body }))
  }
  await until(
    () => readAlert(story, alertId),
    ({ state }) => state === 'resolved',
    { what: 'the end of the alert' },
  )
  return current
}

async function reportDecisions(story: Story, tale: Tale, alertId: string, closed: Wire['Case']): Promise<void> {
  const { analyst, siem } = story.staff
  const { report } = story
  const path = { alertId }
  const alert = await readAlert(story, alertId)
  const receipt = await answerOf(() => analyst.ask.GET('/alerts/{alertId}/receipt', { params: { path } }))
  const versions = await all((cursor) =>
    siem.ask.GET('/alerts/{alertId}/versions', { params: { path, query: cursor ? { cursor } : {} } }),
  )
  report.alerts.push({
    story: tale.id,
    severity: alert.severity,
    score: alert.score,
    state: alert.state,
    contributions: receipt.contributions.length,
    versions: versions.reverse().map(({ version, change, state, score }) => ({ version, change, state, score })),
  })
  for (const { kind, state, decisions } of await approvalsOf(story, alertId)) {
    report.approvals.push({ story: tale.id, kind, state, decisions: decisions.length })
  }
  report.cases.push({ story: tale.id, state: closed.state, resolution: closed.resolution })
}
