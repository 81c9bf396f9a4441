import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { startPostgres } from '../../cli/embedded/postgres.ts'
import { findTemporalCli, findTemporalTestServer } from '../../cli/embedded/temporal-cli.ts'
import { startTemporal } from '../../cli/embedded/temporal-server.ts'
import { bundleWorkflows } from '../../worker/bundle.ts'
import { bundleCommand } from './command.ts'
import { prepareTemplate } from './database.ts'
import { folderOfRun } from './run-folder.ts'
import { collectStatusesIn, unseenStatuses } from './statuses.ts'
import { ONE_PARTITION } from './temporal.ts'
import { isWhole } from './whole-run.ts'

/** A crash of the test machine may lose a test database; a slow one may not lose the afternoon. */
const UNSAFE_AND_FAST = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', scram_iterations: '1' }

/**
 * One real PostgreSQL and one real Temporal server for the run; test files clone databases from a migrated template. The
 * workflows are bundled once, for all workers here and in processes that tests start, and so is the command. The
 * time-skipping server is only fetched here: whoever needs it starts one of its own, since time is the server's. A run of
 * everything fails when an operation was never seen to answer with a status that the contract declares.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const log = { info: (message: string) => process.stderr.write(`${message}\n`) }
  const dataDir = await folderOfRun(log)
  const bundling = bundleWorkflows()
  const postgres = await startPostgres({ dataDir, log, settings: UNSAFE_AND_FAST })
  const { path: cliPath } = await findTemporalCli({ log })
  const temporal = await startTemporal({ cliPath, dataDir, log, keep: false, dynamicConfig: ONE_PARTITION })
  process.env['OPENIRM_TEST_TIME_SKIPPING_SERVER'] = (await findTemporalTestServer({ log })).path
  process.env['OPENIRM_TEST_DATABASE_URL'] = postgres.url
  process.env['OPENIRM_TEST_TEMPORAL_ADDRESS'] = temporal.address
  await hashPasswordAnew(postgres.url)
  await prepareTemplate(postgres.url)
  process.env['OPENIRM_TEST_COMMAND'] = await bundleCommand(path.join(dataDir, 'command'))
  const bundle = path.join(dataDir, 'workflows.js')
  writeFileSync(bundle, (await bundling).code)
  process.env['OPENIRM_WORKFLOW_BUNDLE'] = bundle
  const statuses = path.join(dataDir, 'statuses')
  collectStatusesIn(statuses)
  return async () => {
    const unseen = (await isWhole(project)) ? unseenStatuses(statuses) : []
    if (unseen.length > 0) {
      process.exitCode = 1
      log.info(`Statuses of the contract that no test brought about:\n  ${unseen.join('\n  ')}`)
    }
    await temporal.stop()
    await postgres.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** As often as the server's settings say: some thousand sessions sign in during a run. */
async function hashPasswordAnew(url: string): Promise<void> {
  const { username, password } = new URL(url)
  const admin = new pg.Client(url)
  await admin.connect()
  await admin.query(`alter role ${username} password ${admin.escapeLiteral(password)}`)
  await admin.end()
}
