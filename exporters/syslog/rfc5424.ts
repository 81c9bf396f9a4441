/** Facility 13 is "log audit" in RFC 5424 §6.2.1; 16 to 23 are for local use. */
export const LOG_AUDIT = 13

/** RFC 5424 §6.2.1. */
export const SYSLOG_SEVERITY = { error: 3, warning: 4, notice: 5, informational: 6 } as const

export interface SyslogMessage {
  /** 0..23 */
  facility: number
  severity: (typeof SYSLOG_SEVERITY)[keyof typeof SYSLOG_SEVERITY]
  at: Date
  hostname: string
  appName: string
  messageId: string
  structured: { id: string; parameters: Readonly<Record<string, string | number>> }
  /** UTF-8 without byte order mark: parsers of CEF look for it at the very start (RFC 5424's MSG-ANY). */
  message: string
}

/** One message as RFC 5424 has it: one line unless `message` holds line ends. Equal input gives equal text. */
export function rfc5424({
  facility,
  severity,
  at,
  hostname,
  appName,
  messageId,
  structured,
  message,
}: SyslogMessage): string {
  const parameters = Object.entries(structured.parameters).map(
    ([name, value]) => ` ${name}="${parameterValue(String(value))}"`,
  )
  return [
    `<${facility * 8 + severity}>1`,
    at.toISOString(),
    headerWord(hostname, 255),
    headerWord(appName, 48),
    '-',
    headerWord(messageId, 32),
    `[${structured.id}${parameters.join('')}]`,
    message,
  ].join(' ')
}

/** Octet counting (RFC 6587 §3.4.1, RFC 5425 §4.3): the length in bytes, a space, the message, and no line end. */
export const octetCounted = (message: string): string => `${Buffer.byteLength(message)} ${message}`

/** Printable ASCII without spaces; `-` where nothing is left. */
const headerWord = (text: string, limit: number): string => text.replace(/[^\x21-\x7e]/g, '').slice(0, limit) || '-'

/** `"`, `\` and `]` escaped (RFC 5424 §6.3.3). */
export const parameterValue = (text: string): string => text.replace(/["\\\]]/g, '\\$&')
