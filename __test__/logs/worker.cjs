'use strict';

// A worker with a daemon and a level of its own. It posts its producer and the lines of one device.

const { parentPort, workerData } = require('node:worker_threads');
const USBDaemon = require('../..');

const { config, level, count } = workerData;

async function live() {
  USBDaemon.initializeTracing({ level });
  const daemon = new USBDaemon(config);
  const lines = [];
  daemon.on('log', (line) => lines.push(line));
  await daemon.start();
  const { producer } = daemon.getHealth().outbox;
  for (let at = 0; at < count; at += 1) {
    daemon.simulateAttach({ name: '201-1' });
    daemon.simulateDetach('201-1');
  }
  while (daemon.getHealth().outbox.seen < 2 * count) await new Promise(setImmediate);
  await daemon.stop();
  return { producer, lines };
}

live().then((told) => parentPort.postMessage(told));
