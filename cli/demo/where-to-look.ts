import type { Story } from './story.ts'

/** Addresses and tokens with which a person goes on by themselves. */
export function whereToLook({ screen, installation, staff, home, outside }: Story): void {
  const { url, temporalUiUrl } = installation
  screen.chapter('Where to look')
  screen.table([
    ['API, its docs', `${url}/docs`],
    ['Temporal UI', temporalUiUrl ?? 'your own'],
    ['alerts', `curl -H 'Authorization: Bearer ${staff.analyst.token}' ${url}/v1/alerts`],
    ['receipt', `… ${url}/v1/alerts/<id>/receipt`],
    ['what the SIEM got', home.file('siem/')],
    ['tokens, one per role', home.file('tokens.json')],
    ['log', home.file('openirm.log')],
    ['Dropbox, stood in for', outside.dropbox.url],
    ['the log bucket', `${outside.bucket.endpoint}/${outside.bucket.name}/`],
  ])
}
