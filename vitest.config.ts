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
    sequence: { sequencer: LongestFirst },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    env: { OPENIRM_LOG_LEVEL: 'silent' },
  },
})
