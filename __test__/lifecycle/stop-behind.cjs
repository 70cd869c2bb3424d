'use strict';

// Stops a daemon whose listeners are 20,000 events behind, most of them in its outbox file only, and prints what they got as one
// line of JSON. Its argument is the folder of that file.

const { join } = require('node:path');
const USBDaemon = require('../..');

const EVENTS = 20_000;
/** What comes before so many are stored comes from no bus. */
const SLICE = 500;
/** How long the listeners take, in twenty parts. */
const LISTENING_MS = 4000;

const daemon = new USBDaemon({
  sources: ['simulated'],
  redis: false,
  monitoring: { enabled: false },
  outbox: { path: join(process.argv[2], 'outbox.db'), max_events: EVENTS / 20 },
  // Half of what the listeners take for them all, and ten times of what they take at a time.
  shutdown_ms: LISTENING_MS / 2,
});

(async () => {
  const seqs = [];
  const gaps = [];
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  const tell = ({ eventId }) => {
    seqs.push(Number(eventId.split(':')[1]));
    if (seqs.length % (EVENTS / 20) === 0) Atomics.wait(nobody, 0, 0, LISTENING_MS / 20);
  };
  daemon.on('device:attach', tell).on('device:detach', tell).on('gap', (gap) => gaps.push(gap));
  let atStopped;
  daemon.on('stopped', () => (atStopped = seqs.length));
  await daemon.start();
  for (let at = 0; at < EVENTS; at += 2) {
    daemon.simulateAttach({ name: '201-1' });
    daemon.simulateDetach('201-1');
    while ((at + 2) % SLICE === 0 && daemon.getHealth().outbox.seen < at + 2) Atomics.wait(nobody, 0, 0, 1);
  }
  await daemon.stop();
  process.stdout.write(`${JSON.stringify({ seqs, gaps, atStopped })}\n`);
})();
