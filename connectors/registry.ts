/** Every connector kind, one line each. Forms, the redactor, the docs index and the API's enum derive from this list. */

export { amazonS3 } from './amazon-s3/connector.ts'
export { box } from './box/connector.ts'
export { customFile } from './custom-file/connector.ts'
export { dropbox } from './dropbox/connector.ts'
export { epic } from './epic/connector.ts'
export { genericRest } from './generic-rest/connector.ts'
export { googleDrive } from './google-drive/connector.ts'
export { healthcare } from './healthcare/connector.ts'

export { hr } from './hr/connector.ts'
export { insiderRiskIndicators } from './insider-risk-indicators/connector.ts'
export { microsoftGraphAlerts } from './microsoft-graph-alerts/connector.ts'
export { microsoftGraphUsers } from './microsoft-graph-users/connector.ts'
export { office365Activity } from './office-365-activity/connector.ts'
export { physicalBadging } from './physical-badging/connector.ts'
export { salesforce } from './salesforce/connector.ts'
