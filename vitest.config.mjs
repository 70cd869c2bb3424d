import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';

/** Where files run beside each other, those that take half a minute and more begin first. */
const LONGEST = ['exactly-once', 'chaos', 'reload', 'redis', 'cli', 'dashboard', 'otlp', 'consumer-group', 'watermark', 'consumer-outages', 'lifecycle-workers'];

class LongestFirst extends BaseSequencer {
  async sort(files) {
    const name = ({ moduleId }) => basename(moduleId, '.test.mjs');
    const longest = LONGEST.flatMap((each) => files.filter((file) => name(file) === each));
    return [...longest, ...(await super.sort(files.filter((file) => !longest.includes(file))))];
  }
}

export default defineConfig({
  test: {
    include: ['__test__/**/*.test.mjs'],
    // Beds end with the thread that opened them, so each file has a process; one at a time, because they load the machine.
    // scripts/test.mjs lets those run beside each other that mostly wait.
    pool: 'forks',
    fileParallelism: false,
    sequence: { sequencer: LongestFirst },
    // A shared machine stalls at times. What needed a second go says so in the report, and is a fault to be found.
    retry: process.env.CI ? 1 : 0,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
  },
});
