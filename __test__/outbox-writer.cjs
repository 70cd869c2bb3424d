// A daemon without Redis that stores transitions one by one, and says each second line how its outbox is doing. On stdin: how
// many transitions, or what file to remove.

'use strict';

const { rmSync } = require('node:fs');
const { createInterface } = require('node:readline');
const USBDaemon = require('..');

const daemon = new USBDaemon({ redis: false, monitoring: { enabled: false }, sources: ['simulated'], outbox: JSON.parse(process.argv[2]) });
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
daemon.on('error', ({ code, message }) => say({ error: { code, message } }));
let plugged = 0;

async function store(count) {
  for (let at = 0; at < count; at += 1) {
    plugged += 1;
    const { seen } = daemon.getHealth().outbox;
    const name = `201-1.${1 + Math.floor((plugged - 1) / 2) % 100}`;
    if (plugged % 2) daemon.simulateAttach({ name, product: 'x'.repeat(200) });
    else daemon.simulateDetach(name);
    while (daemon.getHealth().outbox.seen === seen) await new Promise(setImmediate);
  }
}

async function main() {
  await daemon.start();
  say({ started: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const { count = 0, remove } = JSON.parse(line);
    if (remove) rmSync(remove);
    await store(count);
    say({ outbox: daemon.getHealth().outbox });
  }
  await daemon.stop();
}

main();
