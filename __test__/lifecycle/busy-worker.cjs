'use strict';

// A worker whose daemon has no rest: each event makes the next one. It never stops by itself.

const { parentPort, workerData } = require('node:worker_threads');
const USBDaemon = require('../..');

const daemon = new USBDaemon(workerData);
daemon.on('device:attach', () => daemon.simulateDetach('201-1'));
daemon.on('device:detach', () => daemon.simulateAttach({ name: '201-1' }));
daemon.on('event:published', ({ eventId }) => parentPort.postMessage({ redis: eventId }));
daemon.on('redis:state', ({ connected, reason }) => {
  if (!connected) parentPort.postMessage({ redis: reason });
});
daemon.on('error', (error, context) => parentPort.postMessage({ error: error.code, context }));
let told = 0;
daemon.on('device:detach', () => parentPort.postMessage({ told: (told += 1) }));
daemon.start().then(() => daemon.simulateAttach({ name: '201-1' }));
parentPort.postMessage({ starting: true });
