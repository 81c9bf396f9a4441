import { z } from 'zod'
import { defineConnector, type Page, type ReadInput } from '../connector.ts'
import { requireColumns } from '../files/columns.ts'
import { type DelimitedRow, readDelimited } from '../files/delimited.ts'
import { perSettings } from '../files/per-settings.ts'
import { filePrerequisites, fileSettings } from '../files/settings.ts'
import { delimitedOnly, suggestFixed } from '../files/suggest.ts'
import { healthRecordMapper, healthSettings } from '../healthcare/record.ts'
import { type HealthColumns, healthRoles, REQUIRED_ROLES } from '../healthcare/roles.ts'

const FRESH_DAYS = 7

/** The columns of an Epic audit file. Source: learn.microsoft.com/purview/import-epic-data. */
export const EPIC_COLUMNS = {
  creationTime: 'ACCESS_LOG.ACCESS_TIME',
  eventName: 'ACCESS_LOG_METRIC.METRIC_NAME',
  workstationId: 'ACCESS_LOG.WORKSTATION_ID',
  eventSection: 'ZC_METRIC_GROUP.NAME',
  eventCategory: 'ZC_ACCESS_ACTION.NAME',
  patientId: 'PATIENT.PAT_MRN_ID',
  patientFirstName: 'PATIENT.PAT_FIRST_NAME',
  patientMiddleName: 'PATIENT.PAT_MIDDLE_NAME',
  patientLastName: 'PATIENT.PAT_LAST_NAME',
  patientAddressLine1: 'PATIENT.ADD_LINE_1',
  patientAddressLine2: 'PATIENT.ADD_LINE_2',
  patientCity: 'PATIENT.CITY',
  patientZipCode: 'PATIENT.ZIP',
  patientState: 'ZC_STATE.NAME',
  patientCountry: 'ZC_COUNTRY.NAME',
  patientDepartment: 'CLARITY_DEP.DEPARTMENT_NAME',
  restrictedReason: 'ZC_BTG_REASON.NAME',
  restrictedComment: 'PAT_BTG_AUDIT.BTG_EXPLANATION',
  person: 'EMP.SYSTEM_LOGIN',
  employeeId: 'CLARITY_EMP.USER_ID',
  employeeLastName: 'employee_last_name',
  employeeFirstName: 'employee_first_name',
} as const satisfies HealthColumns

const { separator: _, ...otherFileSettings } = fileSettings

const config = z.strictObject({
  ...healthSettings,
  ...otherFileSettings,
  separator: z.enum(['auto', '|', '\t']).default('auto').meta({ title: 'Separator' }),
})
export type EpicConfig = z.output<typeof config>

export const epic = defineConnector<typeof config, DelimitedRow>({
  id: 'epic',
  title: 'Epic',
  says: "Accesses to health records from Epic's audit files.",
  delivery: 'push',
  yields: { activities: true, facts: [] },
  guide: 'docs/guides/epic.md',
  config,
  everySeconds: 300,
  microsoftScript: 'csv',
  prerequisites: filePrerequisites('epic-fresh', () => FRESH_DAYS),
  suggest(sample) {
    delimitedOnly(sample)
    return suggestFixed(healthRoles, EPIC_COLUMNS, sample)
  },
  read,
  map: (row, settings) => mapper(settings)(row),
})

const mapper = perSettings((settings: EpicConfig) => healthRecordMapper(EPIC_COLUMNS, settings))

async function* read(input: ReadInput<EpicConfig>): AsyncGenerator<Page<DelimitedRow>> {
  if (!input.file || (input.position as { done?: boolean } | null)?.done) return
  const { records } = await readDelimited(input.file.open(), input.config, (header) =>
    requireColumns(
      header,
      REQUIRED_ROLES.map((role) => (EPIC_COLUMNS as HealthColumns)[role] as string),
    ),
  )
  yield { origin: input.file.name, records, after: { done: true } }
}
