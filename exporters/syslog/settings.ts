import { z } from 'zod'
import { certificatePem, privateKeyPem } from '../certificates.ts'
import { LOG_AUDIT } from './rfc5424.ts'

/** IANA reserves this private enterprise number for documentation: it collides with nobody, and says nobody's name. */
export const DOCUMENTATION_ENTERPRISE = '32473'

const DEFAULT_PORT = { tls: 6514, tcp: 601 } as const

/** A host name or an address; brackets around IPv6 are not written here. */
const host = z.string().regex(/^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|[0-9A-Fa-f:.]{2,45})$/)

export const config = z
  .strictObject({
    host: host.meta({ title: 'Host name or address of the receiver' }),
    port: z.int().min(1).max(65_535).optional().meta({ title: 'Port', description: '6514 for TLS, 601 for TCP' }),
    transport: z.enum(['tls', 'tcp']).default('tls').meta({ title: 'Transport' }),
    caCertificate: certificatePem.optional().meta({ title: 'Certificate authority of the receiver (PEM)' }),
    clientCertificate: certificatePem.optional().meta({ title: 'Client certificate (PEM)' }),
    clientKey: privateKeyPem.optional().meta({ title: 'Key of the client certificate (PEM)', secret: true }),
    serverName: host.optional().meta({ title: "Name in the receiver's certificate, if it is not the host" }),
    facility: z.int().min(0).max(23).default(LOG_AUDIT).meta({ title: 'Facility', description: '13 is log audit' }),
    enterpriseId: z
      .string()
      .regex(/^[1-9]\d{0,9}$/)
      .default(DOCUMENTATION_ENTERPRISE)
      .meta({
        title: 'Private enterprise number of the structured data',
        description: `${DOCUMENTATION_ENTERPRISE} is the number for documentation; enter your organisation's own if it has one`,
      }),
    appName: z
      .string()
      .regex(/^[\x21-\x7e]{1,48}$/)
      .default('openirm')
      .meta({ title: 'APP-NAME' }),
  })
  .check((context) => {
    const { transport, clientCertificate, clientKey, serverName, caCertificate } = context.value
    const issue = (field: string, message: string) =>
      context.issues.push({ code: 'custom', path: [field], message, input: context.value })
    if (clientCertificate !== undefined && clientKey === undefined)
      issue('clientKey', 'needed with a client certificate')
    if (clientKey !== undefined && clientCertificate === undefined) issue('clientCertificate', 'needed with its key')
    if (transport !== 'tcp') return
    for (const [field, value] of Object.entries({ caCertificate, clientCertificate, serverName })) {
      if (value !== undefined) issue(field, 'means nothing without TLS')
    }
  })
export type SyslogConfig = z.output<typeof config>

export const portOf = ({ port, transport }: Pick<SyslogConfig, 'port' | 'transport'>): number =>
  port ?? DEFAULT_PORT[transport]
