'use strict';

// Stops daemons whose listeners are behind and get no time to catch up, again and again, and prints how many stops there were and
// how many of them were the last word. A stop that never ends ends the process, which nothing else holds. Its argument is a folder.

const { join } = require('node:path');
const USBDaemon = require('../..');

const ROUNDS = 30;

(async () => {
  let last = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const outbox = { path: join(process.argv[2], `${round}.db`), max_events: 1 + (round % 20) };
    const daemon = new USBDaemon({ sources: ['simulated'], redis: false, monitoring: { enabled: false }, outbox, shutdown_ms: 0 });
    let word;
    for (const event of ['device:attach', 'device:detach', 'gap', 'stopped']) daemon.on(event, () => (word = event));
    await daemon.start();
    for (let at = 0; at < 1000; at += 1) daemon[at % 2 === 0 ? 'simulateAttach' : 'simulateDetach'](at % 2 === 0 ? { name: '201-1' } : '201-1');
    // Some of it is read, or nothing.
    for (let turn = 0; turn < round % 5; turn += 1) await new Promise(setImmediate);
    await daemon.unref().stop();
    last += word === 'stopped';
  }
  process.stdout.write(`${JSON.stringify({ rounds: ROUNDS, last })}\n`);
})();
