// Filters hold devices back, and their detach with them; tags go wherever the device does; the pace delays and drops nothing.

import { expect, it, onTestFinished } from 'vitest';
import { cycle, openDaemon, USBEventConsumer } from './daemon.mjs';
import { fieldsOf, seqsOf, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const LOGITECH = { name: '201-1.1', vendorId: 0x046d, productId: 1, product: 'Mouse', serialNumber: 'M1', interfaces: [{ class: 3, subclass: 1, protocol: 2 }] };
const CANON = { name: '201-1.2', vendorId: 0x04a9, productId: 2, product: 'Camera', serialNumber: 'C1' };

async function startedRedis() {
  const server = await startRedis();
  onTestFinished(() => server.close());
  return server;
}

async function startedDaemon(server, config) {
  const daemon = openDaemon({ redis: { host: '127.0.0.1', port: server.port }, ...config });
  await daemon.start();
  return daemon;
}

it('a device that is held back is told to nobody, neither when it comes nor when it leaves, and both are counted', async () => {
  const server = await startedRedis();
  const daemon = await startedDaemon(server, { filters: { vendor_blacklist: ['046d'] } });
  for (const device of [LOGITECH, CANON]) daemon.simulateAttach(device);
  for (const device of [LOGITECH, CANON]) daemon.simulateDetach(device.name);
  await daemon.heard.waitFor('device:detach');
  await until(() => daemon.getHealth().outbox.published === 2, 'both events of the other one');
  expect([...daemon.heard.of('device:attach'), ...daemon.heard.of('device:detach')].map(({ product }) => product)).toEqual(['Camera', 'Camera']);
  expect((await server.entries()).map((entry) => fieldsOf(entry).product)).toEqual(['Camera', 'Camera']);
  const { carriedOver, seen, published, filtered, waiting, dropped } = daemon.getHealth().outbox;
  expect({ carriedOver, seen, published, filtered, waiting, dropped }).toEqual({ carriedOver: 0, seen: 4, published: 2, filtered: 2, waiting: 0, dropped: 0 });
});

it('connectedDevices is without it, and a program that reports it is told nothing either', async () => {
  const daemon = openDaemon({ filters: { device_class_filter: [8] } });
  await daemon.start();
  daemon.simulateAttach(LOGITECH);
  const object = { busNumber: 1, deviceAddress: 5, portNumbers: [1], deviceDescriptor: { idVendor: 1, idProduct: 2 } };
  await daemon.handleDeviceAttach(object);
  await daemon.handleDeviceDetach(object);
  expect(daemon.connectedDevices.size).toBe(0);
  expect(daemon.heard.of('device:attach')).toEqual([]);
  await until(() => daemon.getHealth().outbox.filtered === 3, 'three to be counted');
});

it('the first rule that decides does, and tags reach the listener, the stream, the consumer and the detach', async () => {
  const server = await startedRedis();
  const rules = [
    { match: { class: 3 }, action: 'tag', tags: ['input'] },
    { match: { serial: 'M*', product: 'Mou?e' }, action: 'allow', tags: ['pointer'] },
    { action: 'deny' },
  ];
  const consumer = new USBEventConsumer({ host: '127.0.0.1', port: server.port }, 'tags', 'main', { start_at: '0' });
  onTestFinished(() => consumer.stop());
  const consumed = [];
  consumer.startConsuming(async ({ action, tags }) => consumed.push([action, tags]));
  const daemon = await startedDaemon(server, { filters: { rules } });
  for (const device of [LOGITECH, CANON]) daemon.simulateAttach(device);
  for (const device of [CANON, LOGITECH]) daemon.simulateDetach(device.name);
  await until(() => consumed.length === 2, 'two events');
  expect(consumed).toEqual([['attach', ['input', 'pointer']], ['detach', ['input', 'pointer']]]);
  expect((await server.entries()).map((entry) => fieldsOf(entry).tags)).toEqual(['input,pointer', 'input,pointer']);
  expect(daemon.heard.of('device:detach').map(({ tags }) => tags)).toEqual([['input', 'pointer']]);
});

it("one second's worth goes at once, the rest at its pace, in order and whole", async () => {
  const server = await startedRedis();
  const daemon = await startedDaemon(server, { performance: { max_events_per_second: 200, batch_size: 50 } });
  await daemon.heard.waitFor('redis:state', { match: ({ connected }) => connected });
  cycle(daemon, 600);
  await until(() => daemon.getHealth().outbox.published === 600, 'all to be published');
  const entries = await server.entries();
  expect(seqsOf(entries)).toEqual(upTo(600));
  const at = entries.map(([id]) => Number(id.split('-')[0]));
  // The server's own stamps: 400 events beyond the first 200 take two seconds, whatever the machine does beside.
  expect(at.at(-1) - at[0]).toBeGreaterThan(1900);
  expect(at[199] - at[0]).toBeLessThan((at.at(-1) - at[0]) / 3);
  expect(daemon.getHealth().outbox.dropped).toBe(0);
});

it('a stop lifts the pace: what waits goes out at once', async () => {
  const server = await startedRedis();
  const daemon = await startedDaemon(server, { performance: { max_events_per_second: 1 }, shutdown_ms: 30_000 });
  await daemon.heard.waitFor('redis:state', { match: ({ connected }) => connected });
  cycle(daemon, 100);
  await daemon.heard.waitFor('device:detach', { count: 50 });
  await daemon.stop();
  expect(seqsOf(await server.entries())).toEqual(upTo(100));
});
