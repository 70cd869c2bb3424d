// The ways over which an event comes to JavaScript: as values, as text, out of the store. It is the same object each time.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { openDaemon, packageRoot } from './daemon.mjs';
import { startRedis } from './redis-server.mjs';
import { runToEnd } from './run-to-end.mjs';

const mouse = {
  name: '200-1.2',
  vendorId: 0x0627,
  productId: 0xffff,
  manufacturer: 'QEMU',
  product: 'Maus ü, "1"',
  serialNumber: 'M-1',
  deviceClass: 0xef,
  interfaces: [{ class: 3, subclass: 1, protocol: 2 }, { class: 0xff, subclass: 0xfe, protocol: 0xfd }],
  speed: '1.5',
};
const devices = {
  'with all that a device may have': mouse,
  'with nothing': { name: '200-1' },
  'with empty strings and a serial number': { name: '200-3', product: '', manufacturer: '', serialNumber: '0', interfaces: [] },
  'with more interfaces than any device has': { name: '200-5', interfaces: Array.from({ length: 200 }, (_, protocol) => ({ class: 3, subclass: 9, protocol })) },
  'with labels': { ...mouse, name: '200-4', productId: 1 },
};
const filters = { rules: [{ match: { product_id: 1 }, action: 'tag', tags: ['a', 'b'] }] };

async function stored(daemon, count) {
  const events = daemon.events({ since: 0 });
  const infos = [];
  while (infos.length < count) infos.push((await events.next()).value.device);
  await events.return();
  return infos;
}

const told = ({ heard }) => heard.all.filter(({ event }) => event.startsWith('device:')).map(({ value }) => value);

it.each(Object.entries(devices))('an event that comes alone is the one that is stored: a device %s', async (_, device) => {
  const daemon = openDaemon({ filters });
  await daemon.start();
  daemon.simulateAttach(device);
  await daemon.heard.waitFor('device:attach');
  expect(daemon.getConnectedDevices()).toEqual(daemon.heard.of('device:attach'));
  expect(daemon.heard.of('device:attach')[0].tags).toEqual(device.productId === 1 ? ['a', 'b'] : undefined);
  daemon.simulateDetach(device.name);
  await daemon.heard.waitFor('device:detach');
  expect(told(daemon)).toStrictEqual(await stored(daemon, 2));
});

it.each(Object.entries(devices))('what Redis has acknowledged alone is what is stored: a device %s', async (_, device) => {
  const server = await startRedis();
  onTestFinished(() => server.close());
  const daemon = openDaemon({ filters, redis: { host: '127.0.0.1', port: server.port } });
  await daemon.start();
  daemon.simulateAttach(device);
  await daemon.heard.waitFor('event:published');
  daemon.simulateDetach(device.name);
  await daemon.heard.waitFor('event:published', { count: 2 });
  const infos = await stored(daemon, 2);
  const entries = await server.waitForEntries(2);
  expect(daemon.heard.of('event:published')).toStrictEqual(
    ['attach', 'detach'].map((action, at) => ({ eventId: infos[at].eventId, streamId: entries[at][0], action, device: infos[at] })),
  );
});

it('several that come at once are those that are stored', async () => {
  const daemon = openDaemon({ filters });
  await daemon.start();
  for (const device of Object.values(devices)) daemon.simulateAttach(device);
  for (const { name } of Object.values(devices)) daemon.simulateDetach(name);
  // They wait for the event loop.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  await daemon.heard.waitFor('device:detach', { count: Object.keys(devices).length });
  expect(told(daemon)).toStrictEqual(await stored(daemon, 2 * Object.keys(devices).length));
});

it('more than are told in one turn of the event loop are those that are stored', async () => {
  const daemon = openDaemon();
  await daemon.start();
  for (let at = 0; at < 200; at += 1) {
    daemon.simulateAttach(mouse);
    daemon.simulateDetach(mouse.name);
  }
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  await daemon.heard.waitFor('device:detach', { count: 200 });
  expect(told(daemon)).toStrictEqual(await stored(daemon, 400));
});

it('of many that come at once, no more than 256 keep timers and others waiting', async () => {
  const daemon = openDaemon();
  await daemon.start();
  const inTurn = [];
  let turns = 0;
  const count = () => {
    turns += 1;
    counting = setImmediate(count);
  };
  let counting = setImmediate(count);
  onTestFinished(() => clearImmediate(counting));
  daemon.on('device:attach', () => (inTurn[turns] = (inTurn[turns] ?? 0) + 1));
  for (let at = 0; at < 1_000; at += 1) daemon.simulateAttach({ name: `${201 + Math.floor(at / 100)}-${1 + (at % 100)}`, productId: at });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  await daemon.heard.waitFor('device:attach', { count: 1_000 });
  expect(Math.max(...inTurn.filter(Boolean))).toBeLessThanOrEqual(256);
});

it('what more waits holds a process that nothing else does, until it is told', async () => {
  const program = `
    const USBDaemon = require(${JSON.stringify(packageRoot)});
    const daemon = new USBDaemon({ sources: ['simulated'], redis: false, monitoring: { enabled: false }, performance: { max_events_per_second: 0 } });
    let told = 0;
    daemon.on('device:attach', () => (told += 1));
    process.on('exit', () => console.log(told));
    daemon.start().then(() => {
      daemon.unref();
      for (let at = 0; at < 1_000; at += 1) daemon.simulateAttach({ name: (201 + Math.floor(at / 100)) + '-' + (1 + (at % 100)), productId: at });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      // One more turn of the event loop, in which the first of them come; in this one a started daemon has something left to read.
      setTimeout(() => setImmediate(() => {}), 1);
    });`;
  expect(await runToEnd(packageRoot, process.env, process.execPath, '-e', program)).toEqual({ status: 0, stdout: '1000\n', stderr: '' });
});

it('a program tells of a device that was not there, then of one that comes and goes', async () => {
  const daemon = openDaemon();
  await daemon.start();
  const device = { deviceDescriptor: { idVendor: 1, idProduct: 2 }, busNumber: 7, deviceAddress: 9, portNumbers: [1] };
  await daemon.handleDeviceDetach(device);
  await sleep(20);
  expect(daemon.heard.of('device:attach')).toEqual([]);
  await daemon.handleDeviceAttach(device);
  await daemon.handleDeviceDetach(device);
  await daemon.heard.waitFor('device:detach');
  expect(told(daemon)).toStrictEqual(await stored(daemon, told(daemon).length));
});
