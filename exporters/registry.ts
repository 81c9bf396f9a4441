/** Every kind of destination, one line each. */
export { standardWebhooks } from './standard-webhooks/exporter.ts'
export { syslog } from './syslog/exporter.ts'
