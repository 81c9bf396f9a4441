/** Every vendor's bench, one line each. A pull connector without one fails the conformance kit. */

export { amazonS3 } from './amazon-s3.ts'
export { box } from './box.ts'
export { dropbox } from './dropbox.ts'
export { genericRest } from './generic-rest.ts'
export { googleDrive } from './google-drive.ts'
export { microsoftDefenderAlerts } from './microsoft-defender-alerts.ts'
export { microsoftGraphAlerts } from './microsoft-graph-alerts.ts'
export { microsoftGraphUsers } from './microsoft-graph-users.ts'
export { office365Activity } from './office-365-activity.ts'
export { salesforce } from './salesforce.ts'
