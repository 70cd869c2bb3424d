import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['__test__/**/*.test.mjs'],
    // Beds end with the thread that opened them, so each file has a process; one at a time, because they load the machine.
    pool: 'forks',
    fileParallelism: false,
    // A shared machine stalls at times. What needed a second go says so in the report, and is a fault to be found.
    retry: process.env.CI ? 1 : 0,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
  },
});
