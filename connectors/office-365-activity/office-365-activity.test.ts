import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Activity, Finding, Mapped } from '../../domain/signal.ts'
import { office365Activity } from './connector.ts'
import { recordsOf } from './records.ts'

const record = (name: string): any =>
  JSON.parse(readFileSync(path.join(import.meta.dirname, 'records', `${name}.json`), 'utf8'))
const map = (found: unknown, internalDomains: string[] = ['acme.example']): Mapped =>
  office365Activity.map(found, { internalDomains })
const mapped = (name: string, more: object = {}): any => {
  const { raw, ...rest } = map({ ...record(name), ...more }) as Activity
  expect(raw).toEqual({ ...record(name), ...more })
  return rest
}

describe('files', () => {
  test('a download keeps its instant, which has no zone and is UTC, its person, its object and its size', () => {
    expect(mapped('file-download')).toEqual({
      type: 'activity',
      sourceId: '00000000-0000-4000-8000-0000000000aa|8c1d0f5e-0001-4222-8333-444455556666',
      actor: { scheme: 'address', value: 'dana@acme.example' },
      actorKind: 'user',
      at: new Date('2026-11-20T03:03:11Z'),
      verb: 'download',
      nativeEvent: 'FileDownloaded',
      outcome: 'success',
      object: 'https://acme.sharepoint.com/sites/fin/Shared Documents/q4.xlsx',
      container: 'https://acme.sharepoint.com/sites/fin/',
      sizeBytes: 4_811_223,
      originIp: '91.198.174.10',
      userAgent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)',
      flags: ['workload_sharepoint', 'labelled', 'unmanaged_device'],
    })
  })

  test.each([
    ['FileSyncDownloadedFull', 'sync_download'],
    ['FileAccessedExtended', 'view'],
    ['FilePreviewed', 'preview'],
    ['FolderRenamed', 'rename'],
    ['FileDeletedSecondStageRecycleBin', 'purge'],
    ['FileSensitivityLabelRemoved', 'label_remove'],
    ['SharingRevoked', 'share_remove'],
    ['FileInventedTomorrow', 'other'],
  ])('%s is %s, under its own name', (Operation, verb) => {
    expect(mapped('file-download', { Operation })).toMatchObject({ verb, nativeEvent: Operation })
  })

  test.each([
    ['AddedToSecureLink', 'rival_other.example#ext#@acme.onmicrosoft.example', 'Guest', 'specific_external', true],
    ['SharingSet', 'lee@acme.example', 'Member', 'specific_internal', false],
    ['SharingSet', 'rival@other.example', 'Member', 'specific_external', true],
    ['SharingSet', 'Everyone except external users', 'SecurityGroup', 'domain', false],
    ['AddedToGroup', 'Finance Members', 'SharePointGroup', undefined, undefined],
    ['AnonymousLinkCreated', undefined, undefined, 'anyone_with_link', true],
    ['CompanyLinkCreated', undefined, undefined, 'domain', false],
    ['SecureLinkCreated', undefined, undefined, undefined, undefined],
  ])('%s with %s reaches as far as it says', (Operation, name, type, audience, external) => {
    const told = mapped('share-with-guest', {
      Operation,
      TargetUserOrGroupName: name ?? null,
      TargetUserOrGroupType: type ?? null,
    })
    expect([told.audienceAfter, told.destinationIsExternal]).toEqual([audience, external])
  })

  test('without domains of its own only a guest is outside', () => {
    const to = (TargetUserOrGroupName: string) =>
      (map({ ...record('share-with-guest'), TargetUserOrGroupName, TargetUserOrGroupType: null }, []) as Activity)
        .destinationIsExternal
    expect([to('rival@other.example'), to('x_other.example#EXT#@acme.onmicrosoft.example')]).toEqual([undefined, true])
  })

  test('an anonymous visitor is nobody, a guest by link has an address; ports are no part of either kind of address', () => {
    expect(mapped('link-used')).toMatchObject({
      actor: { scheme: 'vendor_id', value: 'microsoft:anonymous' },
      actorKind: 'anonymous',
      verb: 'link_access',
      originIp: '198.51.100.9',
    })
    expect(mapped('link-used', { UserId: 'urn:spo:guest#Rival@other.example' })).toMatchObject({
      actor: { scheme: 'address', value: 'rival@other.example' },
      actorKind: 'guest',
    })
    expect(mapped('link-for-anyone').originIp).toBe('2001:db8::7')
    expect(mapped('link-used', { ClientIP: 'not-an-ip' }).originIp).toBeUndefined()
  })

  test.each([
    ['app@sharepoint', 5, 'service', 'microsoft:app@sharepoint'],
    [
      '00000000-0000-4000-8000-0000000000F1',
      'ServicePrincipal',
      'service',
      'entra:00000000-0000-4000-8000-0000000000f1',
    ],
    ['Not Available', 0, 'unknown', 'microsoft:not available'],
  ])('%s is no person', (UserId, UserType, kind, value) => {
    expect(mapped('file-download', { UserId, UserType })).toMatchObject({
      actor: { scheme: 'vendor_id', value },
      actorKind: kind,
    })
  })
})

describe('mail', () => {
  test('mail sent in another’s name keeps its size and whose mailbox it was', () => {
    expect(mapped('send')).toMatchObject({
      actor: { value: 'dana@acme.example' },
      at: new Date('2026-11-20T08:00:00Z'),
      verb: 'send',
      object: 'Q4',
      container: 'finance@acme.example',
      sizeBytes: 4_901_000,
      flags: ['workload_exchange', 'mailbox_of_other', 'has_attachment', 'on_behalf'],
    })
  })

  test('a real record of a mailbox read by an app', () => {
    expect(mapped('mailbox-access')).toMatchObject({
      actor: { scheme: 'address', value: 'pgustavo@simulandlabs.com' },
      at: new Date('2021-08-02T13:32:07Z'),
      verb: 'mailbox_access',
      itemCount: 7,
      originIp: '1.2.3.4',
    })
  })

  test('mail made to leave on its own, by a rule or a setting; a rule that only sorts is none', () => {
    expect(mapped('forwarding-rule')).toMatchObject({ verb: 'forward_rule', destinationIsExternal: true })
    const set = (Operation: string, Name: string, Value: string) =>
      mapped('forwarding-rule', { Operation, Parameters: [{ Name, Value }] })
    expect(set('Set-Mailbox', 'ForwardingSmtpAddress', 'smtp:lee@acme.example')).toMatchObject({
      verb: 'forward_rule',
      destinationIsExternal: false,
    })
    expect(set('Set-Mailbox', 'ForwardingSmtpAddress', '').verb).toBe('other')
    expect(set('New-InboxRule', 'MoveToFolder', 'Later').verb).toBe('other')
    expect(set('Set-AdminAuditLogConfig', 'UnifiedAuditLogIngestionEnabled', 'False').verb).toBe('logging_change')
    const own = { ActionType: 'Forward', Recipients: ['rival@other.example'] }
    const rules = [{ Name: 'RuleActions', Value: JSON.stringify([own]) }]
    expect(mapped('send', { Operation: 'UpdateInboxRules', OperationProperties: rules })).toMatchObject({
      verb: 'forward_rule',
      destinationIsExternal: true,
    })
  })

  const others = path.join(import.meta.dirname, '../../../shared/data/otrf-security-datasets')
  test.skipIf(!existsSync(others))(
    'real rows of Sentinel, under the names that the API gives them, are read alike',
    () => {
      const rows = readFileSync(path.join(others, 'OfficeActivityEvents.json'), 'utf8').trim().split('\n')
      const known = record('mailbox-access')
      for (const row of rows.map((line) => JSON.parse(line))) {
        const told = map({
          ...row,
          Id: row.OfficeId,
          CreationTime: row.TimeGenerated,
          Workload: row.OfficeWorkload,
          ClientIPAddress: row.Client_IPAddress,
          LogonType: row.Logon_Type,
        }) as Activity
        const { raw: _, ...same } = map(known) as Activity
        expect(told).toMatchObject({ ...same, itemCount: 7, verb: 'mailbox_access' })
      }
      expect(rows).toHaveLength(1)
      const defender = readFileSync(path.join(others, 'Microsoft365DefenderEvents.json'), 'utf8').trim().split('\n')
      const raw = defender.map((line) => JSON.parse(line).RawEventData).filter(Boolean)
      expect(raw.map((each) => map(each).type)).toEqual(['activity'])
    },
  )
})

describe('directory, Teams, devices', () => {
  test('a sign-in that failed', () => {
    expect(mapped('sign-in-failed')).toMatchObject({
      at: new Date('2026-11-20T07:00:01Z'),
      verb: 'login_failed',
      outcome: 'failure',
      userAgent: 'Mozilla/5.0',
    })
  })

  test('a deleted account is the act of an admin and a fact about whose it was; restored, it is taken back', () => {
    const [act, fact] = recordsOf([record('user-deleted')]).map((each) => map(each.record))
    expect(act).toMatchObject({ type: 'activity', actor: { value: 'admin@acme.example' }, nativeEvent: 'Delete user.' })
    expect(fact).toEqual({
      type: 'fact',
      kind: 'account_deleted',
      person: { scheme: 'address', value: 'dana@acme.example' },
      aliases: [{ scheme: 'vendor_id', value: 'entra:00000000-0000-4000-8000-0000000000d1' }],
      naturalKey: 'account_deleted',
      effectiveAt: new Date('2026-11-20T16:00:00Z'),
      withdrawn: false,
      newestCounts: true,
      attributes: {},
    })
    const restored = { ...record('user-deleted'), Operation: 'Restore user', ObjectId: 'Dana@acme.example' }
    expect(recordsOf([restored]).map((each) => map(each.record))[1]).toMatchObject({
      person: { value: 'dana@acme.example' },
      withdrawn: true,
    })
    const nameless = { ...record('user-deleted'), ObjectId: 'x', Target: [] }
    expect(recordsOf([nameless]).map((each) => map(each.record))[1]).toMatchObject({ code: 'identifier_invalid' })
  })

  test('a guest taken into a team', () => {
    expect(mapped('guest-in-team')).toMatchObject({
      verb: 'share_add',
      container: 'Finance',
      destinationIsExternal: true,
    })
  })

  test('a file on removable media, in spite of a warning; numbers may be texts', () => {
    expect(mapped('removable-media')).toMatchObject({
      actor: { value: 'dana@acme.example' },
      verb: 'copy_to_removable',
      outcome: 'warned_overridden',
      sizeBytes: 4_811_223,
      flags: ['workload_endpoint', 'sensitive_info', 'dlp_rule_matched'],
    })
    expect(mapped('removable-media', { EnforcementMode: 4 }).outcome).toBe('blocked')
    const upload = { Operation: 'FileUploadedToCloud', TargetDomain: 'drive.other.example' }
    expect(mapped('removable-media', upload)).toMatchObject({ verb: 'upload_to_cloud', destinationIsExternal: true })
  })

  test('what nobody knows is kept under its own name', () => {
    const unknown = { Operation: 'DidSomethingNew', RecordType: 9999, Workload: 'Invented Tomorrow' }
    expect(mapped('guest-in-team', unknown)).toMatchObject({
      verb: 'other',
      nativeEvent: 'DidSomethingNew',
      flags: ['workload_invented_tomorrow'],
    })
  })
})

describe('findings', () => {
  test('a match of a DLP rule: who, how grave, from where', () => {
    expect(mapped('dlp-onedrive')).toEqual({
      type: 'finding',
      sourceId: 'dlp|5f0c0000-a8f8-4b2e-0000-08dd00000000|u-1|r-1',
      versionAt: new Date('2026-11-20T03:03:11Z'),
      at: new Date('2026-11-20T03:03:11Z'),
      people: [{ scheme: 'address', value: 'dana@acme.example' }],
      peopleKinds: ['user'],
      nativeEvent: 'DlpRuleMatch',
      product: 'dlp',
      severity: 'high',
      category: 'dlp',
      state: 'open',
      flags: [
        ...['dlp_record', 'workload_onedrive', 'outside', 'sensitive_info'],
        ...['dlp_policy:p-1', 'dlp_policy_name:finance'],
      ],
      object: 'q4.xlsx',
    })
  })

  test('the sender is the person, never the agent; a rule in test, an override', () => {
    expect(mapped('dlp-exchange')).toMatchObject({
      people: [{ scheme: 'address', value: 'kim@acme.example' }],
      severity: 'medium',
      state: 'open',
      flags: [
        ...['dlp_record', 'workload_exchange', 'blocked', 'rule_in_test', 'exception_override'],
        ...['dlp_policy:p-2', 'dlp_policy_name:customers'],
      ],
    })
    expect(mapped('dlp-exchange', { ExchangeMetaData: {} }).people).toEqual([])
  })

  test.each([
    ['DlpRuleUndo', { Reason: 'Document Change' }, 'resolved'],
    ['DlpRuleUndo', { Reason: 'Override', FalsePositive: true }, 'false_positive'],
    ['DlpRuleMatch', { FalsePositive: 'True' }, 'false_positive'],
    ['DlpInfo', undefined, 'open'],
  ])('%s with %j makes the finding of the match %s', (Operation, ExceptionInfo, state) => {
    const later = { Operation, ExceptionInfo, CreationTime: '2026-11-20T09:00:00', Id: 'another' }
    expect(mapped('dlp-onedrive', later)).toMatchObject({
      sourceId: mapped('dlp-onedrive').sourceId,
      versionAt: new Date('2026-11-20T09:00:00Z'),
      state,
    })
  })

  test('the gravest of several rules counts; without any it is informational and says so; each match for itself without an incident', () => {
    const rules = (...severities: unknown[]) => ({
      PolicyDetails: [{ Rules: severities.map((Severity, index) => ({ RuleId: `r-${index}`, Severity })) }],
    })
    expect(mapped('dlp-onedrive', rules('Low', 'medium')).severity).toBe('medium')
    const odd = mapped('dlp-onedrive', rules('Catastrophic'))
    expect([odd.severity, odd.flags.includes('severity_unknown')]).toEqual(['informational', true])
    expect(mapped('dlp-onedrive', { IncidentId: null }).sourceId).toBe('dlp|8c1d0f5e-0009-4222-8333-444455556666')
  })

  test('an alert of the portal is about its entity, and each change of it a version', () => {
    const found = mapped('portal-alert') as Finding
    expect(found).toMatchObject({
      sourceId: 'alert|a-1|dana@acme.example',
      people: [{ scheme: 'address', value: 'dana@acme.example' }],
      severity: 'medium',
      category: 'data_governance',
      product: 'office365_alerts',
      state: 'open',
    })
    const later = {
      Operation: 'AlertUpdated',
      Status: 'Resolved',
      AlertEntityId: undefined,
      Category: 'DataLossPrevention',
    }
    expect(mapped('portal-alert', later)).toMatchObject({
      sourceId: found.sourceId,
      state: 'resolved',
      category: 'dlp',
    })
  })

  test('matched text does not come in', () => {
    const detected = { SensitiveInformationDetections: { DetectedValues: [{ Name: '4111 1111 1111 1111' }] } }
    const dlp = record('dlp-onedrive')
    Object.assign(dlp.PolicyDetails[0].Rules[0].ConditionsMatched.SensitiveInformation[0], detected)
    const [kept] = recordsOf([dlp])
    expect(JSON.stringify(kept)).not.toContain('4111')
    expect(kept?.record).toEqual(record('dlp-onedrive'))
  })
})

test('what has no id, time or name is rejected with its path; whatever comes, nothing throws', () => {
  const one = record('file-download')
  expect(map({ ...one, Id: undefined })).toMatchObject({ code: 'event_id_missing', cell: 'Id' })
  expect(map({ ...one, CreationTime: 1763629391 })).toMatchObject({ code: 'date_invalid', cell: 'CreationTime' })
  expect(map({ ...one, Operation: 7 })).toMatchObject({ code: 'field_invalid', cell: 'Operation' })
  const names = ['file-download', 'send', 'user-deleted', 'dlp-exchange', 'portal-alert', 'removable-media'].map(record)
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.nat(), fc.jsonValue(), (whole, at, value) => {
      const members = Object.keys(whole)
      const spoilt = { ...whole, [members[at % members.length] as string]: value }
      for (const each of [spoilt, value]) {
        expect(['activity', 'fact', 'finding', 'rejected']).toContain(map(each).type)
        for (const kept of recordsOf([each])) map(kept.record)
      }
    }),
  )
})
