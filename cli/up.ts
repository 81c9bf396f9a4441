import { startInstallation } from './installation.ts'
import { announceFirstAdmin } from './serving.ts'

/** The whole platform in one process beside its servers, until asked to stop or a worker fails. */
export async function up(say: (text: string) => void, asked: Promise<void>): Promise<void> {
  const { url, temporalUiUrl, platform, done, stop } = await startInstallation(say)
  try {
    await announceFirstAdmin(platform.deps, say)
    say(
      `OpenIRM is up. API: ${url} (docs: ${url}/docs). Temporal UI: ${temporalUiUrl ?? 'your own'}. Stop with Ctrl-C.`,
    )
    await Promise.race([asked, done])
    say('stopping …')
  } finally {
    await stop()
  }
}
