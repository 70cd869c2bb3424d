'use strict';

// A program with a daemon in it, which itself writes nothing. It takes what comes from its parent by IPC: the daemon's
// configuration, whether it listens to the log (or `later`, when it has run before), and a level for initializeTracing. It sends each line, then how it went.

const USBDaemon = require('../..');

const { config, listens, level } = JSON.parse(process.argv[2]);

async function live() {
  if (level) USBDaemon.initializeTracing({ level });
  const daemon = new USBDaemon(config);
  const lines = [];
  let published = 0;
  daemon.on('event:published', () => (published += 1));
  for (let run = 0; run < 2; run += 1) {
    if (listens && run === (listens === 'later' ? 1 : 0)) daemon.on('log', (line) => lines.push(line));
    await daemon.start();
    const { seen } = daemon.getHealth().outbox;
    daemon.simulateAttach({ name: '201-1', vendorId: 0x046d, productId: 0xc31c, product: 'Key\nboard', serialNumber: 'SERIAL-7' });
    daemon.simulateDetach('201-1');
    while (daemon.getHealth().outbox.seen < seen + 2) await new Promise(setImmediate);
    await daemon.stop();
  }
  return { lines, published };
}

live().then((told) => process.send(told, () => process.disconnect()));
