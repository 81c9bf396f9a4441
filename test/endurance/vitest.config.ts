import { defineConfig } from 'vitest/config'

/** `npm run test:endurance`: takes minutes, so it is no part of the plain test line. */
export default defineConfig({
  test: {
    include: ['test/endurance/**/*.endurance.ts'],
    globalSetup: ['test/endurance/temporal.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 3 * 3_600_000,
    hookTimeout: 60_000,
    disableConsoleIntercept: true,
  },
})
