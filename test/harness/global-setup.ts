import { prepareTemplate } from './database.ts'

/** One PostgreSQL for the run; test files clone databases from its migrated template. */
export async function setup(): Promise<() => Promise<void>> {
  const given = process.env['OPENIRM_TEST_DATABASE_URL']
  if (!given) throw new Error('not wired yet')
  await prepareTemplate(given)
  return async () => {}
}
