// An event loop with nothing else to do hears by itself that a device has left (docs/adr/0019). One that is busy keeps nobody waiting.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { median } from './median.mjs';
import { fieldsOf, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const program = fileURLToPath(new URL('./visits.cjs', import.meta.url));

let bed;
let server;
const folder = mkdtempSync(join(tmpdir(), 'usb-daemon-visits-'));
beforeAll(async () => {
  bed = await openNamespaceBed();
  server = await startRedis({ args: ['--unixsocket', join(folder, 'redis.sock')] });
});
afterAll(async () => {
  await bed.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A daemon of its own, which has told of what was there. `ask` gives what a command of visits.cjs answers. */
async function listen(config = {}) {
  const child = bed.spawn([process.execPath, program, JSON.stringify({ redis: false, monitoring: { enabled: false }, ...config })]);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await child.exit;
  });
  const line = async () => JSON.parse(await child.waitForLine(() => true, { timeoutMs: 60_000 }));
  await line();
  return {
    line,
    async ask(command, argument = '') {
      child.write(`${command} ${argument}`);
      return (await line()).answer;
    },
  };
}

/** Entries of a stream that are about these ports. */
const entriesAt = async (stream, ports) => (await server.entries(stream)).map(fieldsOf).filter(({ port_path }) => ports.includes(port_path));

const shown = (uevents) => uevents.map(({ action, busnum, devnum }) => `${action} ${busnum}:${devnum}`);

/** What a listener got by the time that it is so many events. */
async function hears(listener, count) {
  const all = { heard: [], visits: 0 };
  await until(async () => {
    const { heard, visits } = await listener.ask('heard');
    all.heard.push(...heard);
    all.visits += visits;
    return all.heard.length >= count;
  }, `${count} events`);
  return all;
}

it('hears of a departure by itself, and of nothing else', async () => {
  const listener = await listen();
  const since = (await bed.ledger()).length;
  for (let round = 0; round < 25; round += 1) await bed.unplug(await bed.plug({ kind: 'mouse', controller: 0, port: '3' }));
  const uevents = await bed.ledger({ since });
  const { heard, visits } = await hears(listener, uevents.length);
  expect(heard).toEqual(shown(uevents));
  // On a busy machine the engine's own thread may be first, now and then or mostly.
  expect(visits).toBeGreaterThan(0);
  expect(visits).toBeLessThanOrEqual(25);
});

it('keeps no departure from being published while it is busy', async () => {
  const listener = await listen({ redis: { path: join(folder, 'redis.sock'), stream: 'aw:hotplug:busy' }, outbox: { path: join(folder, 'busy.db') } });
  const ports = ['4', '5', '6'];
  const entries = () => entriesAt('aw:hotplug:busy', ports);
  const devices = [];
  for (const port of ports) devices.push(await bed.plug({ kind: 'mouse', controller: 0, port }));
  await until(async () => (await entries()).length === 3, 'three entries');
  await hears(listener, 3);
  let isBusy = true;
  const busy = listener.ask('busy', 10_000).then(() => {
    isBusy = false;
  });
  for (const device of devices) await bed.unplug(device);
  await until(async () => (await entries()).length === 6, 'six entries');
  expect(isBusy, 'its event loop stands still').toBe(true);
  const told = (await entries()).slice(-3);
  expect(told.map(({ action, port_path }) => `${action} ${port_path}`)).toEqual(['detach 4', 'detach 5', 'detach 6']);
  await busy;
  expect((await hears(listener, 3)).heard).toEqual(devices.map(({ busnum, devnum }) => `remove ${busnum}:${devnum}`));
});

it('keeps no arrival from being published while it is busy, the first one or another', async () => {
  const listener = await listen({ redis: { path: join(folder, 'redis.sock'), stream: 'aw:hotplug:arrivals' }, outbox: { path: join(folder, 'arrivals.db') } });
  const ports = ['4', '5', '6'];
  const entries = async () => (await entriesAt('aw:hotplug:arrivals', ports)).length;
  const took = { free: [], first: [], another: [] };
  let count = 0;
  const published = async (port, as) => {
    const device = await bed.plug({ kind: 'mouse', controller: 0, port });
    const since = performance.now();
    count += 1;
    await until(async () => (await entries()) === count, `an entry for ${port}`);
    as.push(performance.now() - since);
    return device;
  };
  for (let round = 0; round < 4; round += 1) {
    // It has come for one, and so the next one's storing is left to it.
    const devices = [await published(ports[0], took.free)];
    await hears(listener, 1);
    await listener.ask('keep', 2_000);
    devices.push(await published(ports[1], took.first), await published(ports[2], took.another));
    await listener.line();
    const expected = devices.slice(1).map(({ busnum, devnum }) => `add ${busnum}:${devnum}`);
    expect((await hears(listener, 2)).heard).toEqual(expected);
    for (const device of devices) await bed.unplug(device);
    count += 3;
    await hears(listener, 3);
    await until(async () => (await entries()) === count, 'the detaches');
  }
  // All are a few milliseconds. What nobody stores before it is free again, or before the publisher's next beat, takes a thousand or two.
  for (const busy of [took.first, took.another]) expect(median(busy) / median(took.free)).toBeLessThan(50);
});

it('has a departure of which it tells by itself published while its listener keeps it', async () => {
  const listener = await listen({ redis: { path: join(folder, 'redis.sock'), stream: 'aw:hotplug:kept' }, outbox: { path: join(folder, 'kept.db') }, performance: { max_events_per_second: 0 } });
  const entries = () => entriesAt('aw:hotplug:kept', ['8', '9']);
  for (let round = 1; round <= 2; round += 1) {
    const devices = [await bed.plug({ kind: 'mouse', controller: 0, port: '8' }), await bed.plug({ kind: 'mouse', controller: 0, port: '9' })];
    await until(async () => (await entries()).length === round * 4 - 2, 'the attaches');
    await hears(listener, 2);
    // The engine's thread finds nobody to leave it to, and does not count on it until the event loop has been there again.
    await listener.ask('blockingListener', 0);
    const busy = listener.ask('busy', 100);
    await bed.unplug(devices[0]);
    await busy;
    await hears(listener, 1);
    await listener.ask('blockingListener', 3_000);
    await bed.unplug(devices[1]);
    expect(await listener.line()).toEqual({ keeps: true });
    let isKept = true;
    const answered = listener.ask('blockingListener', 0).then(() => {
      isKept = false;
    });
    await until(async () => (await entries()).length === round * 4, 'the detaches');
    expect(isKept, 'its listener has not returned').toBe(true);
    await answered;
    await hears(listener, 1);
  }
});

it('goes on after more departures than wait for it while it is busy', async () => {
  const listener = await listen();
  const devices = [];
  for (let port = 1; port <= 30; port += 1) devices.push(await bed.plug({ kind: 'mouse', controller: 1, port: String(port) }));
  await hears(listener, 30);
  const busy = listener.ask('busy', 2_000);
  await bed.burst({ pairs: 300, port: '7', interfaces_follow: true });
  await busy;
  await hears(listener, 600);
  expect(await listener.ask('handles')).toEqual([{ active: true, holds: false }]);
  for (const device of devices) await bed.unplug(device);
  const { heard, visits } = await hears(listener, 30);
  expect(heard).toEqual(devices.map(({ busnum, devnum }) => `remove ${busnum}:${devnum}`));
  expect(visits).toBeGreaterThan(0);
});

it('hears each event once and in order, whoever has run the engine, while listeners are busy now and then', async () => {
  const path = join(folder, 'busy-listener.db');
  const listener = await listen({ redis: { path: join(folder, 'redis.sock'), stream: 'aw:hotplug:visits' }, outbox: { path }, performance: { max_events_per_second: 0 } });
  await listener.ask('busyListener', 4);
  const since = (await bed.ledger()).length;
  await bed.burst({ pairs: 400, port: '7', rate_per_second: 400, interfaces_follow: true });
  const uevents = await bed.ledger({ since });
  const { heard } = await hears(listener, uevents.length);
  expect(heard).toEqual(shown(uevents));
  const entries = () => server.entries('aw:hotplug:visits');
  await until(async () => (await entries()).filter((entry) => fieldsOf(entry).port_path === '7').length === uevents.length, 'all entries');
  const seqs = (await entries()).map((entry) => Number(fieldsOf(entry).seq));
  expect(seqs).toEqual(upTo(seqs.length));
});

it('watches one descriptor more on the event loop while it runs, which holds no process', async () => {
  const listener = await listen();
  expect(await listener.ask('handles')).toEqual([{ active: true, holds: false }]);
  await listener.ask('stop');
  await until(async () => (await listener.ask('handles')).length === 0, 'it to be closed');
});

it('leaves it to the engine where uevents are not wanted', async () => {
  const listener = await listen({ sources: { netlink: false } });
  expect(await listener.ask('handles')).toEqual([]);
});
