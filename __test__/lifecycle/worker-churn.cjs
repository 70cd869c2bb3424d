'use strict';

// Terminates workers whose daemons are busy, one after another, and prints what the process has left of them, as one line of
// JSON for each round. Arguments: how many rounds, and the daemons' configuration. Needs --expose-gc.

const { readFileSync, readdirSync } = require('node:fs');
const { join } = require('node:path');
const { Worker } = require('node:worker_threads');

/** The moments at which a worker is ended: in its start, after its first events, and when Redis has acknowledged some or is away. */
const MOMENTS = [
  ({ starting }) => starting,
  ({ told }) => told === 1,
  ({ told }) => told === 20,
  ({ redis }) => redis !== undefined,
];

function threads() {
  const names = readdirSync('/proc/self/task').map((task) => readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim());
  return names.filter((name) => name.startsWith('aw-'));
}

async function round(at, workerData) {
  const worker = new Worker(join(__dirname, 'busy-worker.cjs'), { workerData });
  const errors = [];
  await new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.on('message', (message) => {
      if (message.error) errors.push(message);
      if (MOMENTS[at % MOMENTS.length](message)) resolve();
    });
  });
  await worker.terminate();
  return errors;
}

(async () => {
  const workerData = JSON.parse(process.argv[3]);
  for (let at = 1; at <= Number(process.argv[2]); at += 1) {
    const errors = await round(at, workerData);
    global.gc();
    const left = { threads: threads(), descriptors: readdirSync('/proc/self/fd').length, rss: process.memoryUsage().rss };
    process.stdout.write(`${JSON.stringify({ round: at, errors, ...left })}\n`);
  }
})();
