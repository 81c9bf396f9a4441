import { VERIFICATIONS } from '../../commands/database.ts'
import { count } from '../screen.ts'
import { mustBe, type Story } from '../story.ts'

/** Recomputes scores, the audit chain and the sequences, as `openirm verify` does. */
export async function verify({ screen, installation, report }: Story): Promise<void> {
  report.verifications = []
  await screen.step(
    'openirm verify',
    async () => {
      for (const [what, verification] of Object.entries(VERIFICATIONS)) {
        const { checked, untruth } = await verification(installation.platform.deps.db)
        report.verifications.push({ what, checked, untruth })
        mustBe(untruth === null, `verify ${what}: ${untruth}`)
      }
    },
    () => `${report.verifications.map(({ what, checked }) => `${count(checked)} ${what}`).join(', ')}, all true`,
  )
}
