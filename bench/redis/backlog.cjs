// A daemon whose outbox fills while Redis is away. Says how it is doing, a line each; ends with its input.

'use strict';

const USBDaemon = require('../package.cjs');

/** As many as the delivery and the outbox take without a wait. */
const AT_A_TIME = 1_000;

const { config, events } = JSON.parse(process.argv[2]);
const daemon = new USBDaemon(config);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
daemon.on('error', ({ code, message }) => process.stderr.write(`${code}: ${message}\n`));

async function store() {
  for (let stored = 0; stored < events; stored += AT_A_TIME) {
    for (let at = stored; at < Math.min(events, stored + AT_A_TIME); at += 2) {
      const name = `201-1.${1 + ((at / 2) % 100)}`;
      daemon.simulateAttach({ name, vendorId: 0x046d, productId: 0xc31c, manufacturer: 'Logitech', product: 'Keyboard', serialNumber: String(at) });
      daemon.simulateDetach(name);
    }
    while (daemon.getHealth().outbox.seen < Math.min(events, stored + AT_A_TIME)) await new Promise(setImmediate);
  }
}

async function main() {
  await daemon.start();
  await store();
  say({ waiting: daemon.getHealth().outbox.waiting });
  process.stdin.resume().on('data', () => {
    const { user, system } = process.cpuUsage();
    say({ cpuMicros: user + system, outbox: daemon.getHealth().outbox });
  });
  await new Promise((resolve) => process.stdin.once('end', resolve));
  await daemon.stop();
}

main();
