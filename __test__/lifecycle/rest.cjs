'use strict';

// What smoke.cjs leaves out of the package, for other runtimes than the one that runs the tests: prints one line of JSON for each
// step, and ends by itself, though a publisher is still open. Its arguments are the port of a Redis server, and a free one.

const { once } = require('node:events');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { USBDaemon, USBEventConsumer, USBEventPublisher, createUSBDaemon } = require('../..');

const QUIET = { sources: ['simulated'], redis: false, monitoring: { enabled: false } };
const MOUSE = { name: '201-1', vendorId: 0x1234, productId: 0xabcd, product: 'Mouse' };

function say(step, value) {
  process.stdout.write(`${JSON.stringify({ step, value })}\n`);
}

const codeOf = (promise) => promise.then(() => 'none', ({ name, code }) => code ?? name);

async function iterators(daemon) {
  const ending = new AbortController();
  const events = daemon.events({ signal: ending.signal });
  daemon.simulateAttach(MOUSE);
  const found = await daemon.waitFor({ vendorId: 0x1234 }, { timeout: 20_000 });
  say('waitFor', found.product);
  say('waitFor in vain', await codeOf(daemon.waitFor({ vendorId: 0x9999 }, { timeout: 1 })));
  say('clone', structuredClone(found).location.portPath);
  say('next', (await events.next()).value.type);
  const next = codeOf(events.next());
  ending.abort();
  say('aborted', (await next) !== 'none');
  for await (const { seq } of daemon.events({ since: 0 })) {
    say('since', seq);
    break;
  }
}

async function dispatches(daemon) {
  const told = [];
  const left = new Promise((resolve) => {
    const onDetach = () => resolve(told.push('left'));
    daemon.dispatch({ vendor_ids: ['0x1234'] }, { onAttach: ({ product }) => told.push(product), onDetach });
  });
  daemon.simulateDetach(MOUSE.name);
  await left;
  say('dispatch', told);
  const refuses = () => {
    daemon.connectedDevices.set('x', {});
  };
  say('connectedDevices', [daemon.connectedDevices instanceof Map, await codeOf(Promise.resolve().then(refuses))]);
}

async function consumers(redis) {
  const seen = [];
  const consumer = new USBEventConsumer(redis, 'rest', 'main', { start_at: '0', max_attempts: 1 });
  const dead = once(consumer, 'dead');
  const handled = new Promise((resolve) => {
    consumer.startConsuming(async ({ action }) => {
      seen.push(action);
      if (action === 'detach') resolve();
      else throw new Error('not this one');
    });
  });
  const [[{ reason }]] = await Promise.all([dead, handled]);
  await consumer.stop();
  say('consumer', [seen, reason.includes('not this one')]);
}

async function http() {
  const port = Number(process.argv[3]);
  const daemon = await createUSBDaemon({ ...QUIET, monitoring: { healthcheck_port: port } });
  const answer = await fetch(`http://127.0.0.1:${port}/health`);
  say('http', [answer.status, (await answer.json()).status]);
  await daemon[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]();
  say('disposed', daemon.isRunning);
}

async function usbEntry() {
  const usb = require('../../usb.js');
  const listener = () => {};
  usb.usb.on('attach', listener);
  say('usb', [Array.isArray(usb.getDeviceList()), usb.usb.LIBUSB_CLASS_HUB]);
  say('usb transfer', await codeOf(Promise.resolve().then(() => usb.getWebUsb())));
  // The process could not end with it.
  usb.usb.off('attach', listener);
}

async function worker() {
  const thread = new Worker(__filename);
  const [[{ product }], [code]] = await Promise.all([once(thread, 'message'), once(thread, 'exit')]);
  say('worker', [product, code]);
}

async function inWorker() {
  const daemon = new USBDaemon(QUIET);
  daemon.on('device:attach', (info) => {
    parentPort.postMessage(info);
    daemon.stop();
  });
  await daemon.start();
  daemon.simulateAttach(MOUSE);
}

async function all() {
  const redis = { host: '127.0.0.1', port: Number(process.argv[2]) };
  const daemon = new USBDaemon({ ...QUIET, redis });
  await daemon.start();
  await iterators(daemon);
  await dispatches(daemon);
  await consumers(redis);
  await daemon.stop();
  await daemon.start();
  say('again', daemon.isRunning);
  await daemon.stop();
  await http();
  await usbEntry();
  await worker();
  // Not on stderr as well.
  process.removeAllListeners('warning');
  const warned = once(process, 'warning');
  new USBDaemon({ redis: { ...redis, lazyConnect: true } });
  say('warning', (await warned)[0].code);
  say('publisher', (await new USBEventPublisher(redis).getRecentEvents(1)).length);
}

if (isMainThread) all();
else inWorker();
