import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/harness/longest-first.ts'

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**', '.openirm/**'],
    globalSetup: ['test/harness/global-setup.ts'],
    pool: 'forks',
    // Two cores: much of a test is waiting for servers.
    maxWorkers: 3,
    // Loading the platform anew for each file would be a quarter of the whole. Files leave nothing behind in a process:
    // settings go back, and what is held is measured by itself (`harness/held.ts`).
    isolate: false,
    sequence: { sequencer: LongestFirst },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    env: { OPENIRM_LOG_LEVEL: 'silent' },
  },
})
