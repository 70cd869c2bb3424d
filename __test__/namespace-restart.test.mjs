// What happened while no daemon was running: devices that left, came, stayed, or are others in the same place; and another boot.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { stateFolder } from './command.mjs';
import { observe } from './observe.mjs';
import { fieldsOf, startRedis } from './redis-server.mjs';
import { until } from './until.mjs';

const mouse = (port) => ({ kind: 'mouse', controller: 0, port });
const isOurs = ({ value }) => value?.location?.portPath !== '0';

let bed;
let server;
let folder;
beforeEach(async () => {
  folder = stateFolder();
  bed = await openNamespaceBed();
  // The bed has a network of its own, and shares the file system.
  server = await startRedis({ args: ['--unixsocket', join(folder, 'redis.sock')] });
});
afterEach(async () => {
  await bed.close();
  await server.close();
});

/** Starts an observer, and waits until devices on hub ports have so many entries. */
async function run(entries, { filters, ...options } = {}) {
  const config = { redis: { path: join(folder, 'redis.sock') }, outbox: { path: join(folder, 'outbox.db') }, monitoring: { enabled: false }, filters };
  const observer = await observe(bed, { config, ...options });
  await observer.ask('start');
  await until(async () => (await stream()).length >= entries, `${entries} entries`);
  return observer;
}

/** Events of devices on hub ports, in short. */
function inShort(action, portPath, synthetic) {
  return `${action} ${portPath} ${synthetic ?? '-'}`;
}

async function stream() {
  const entries = (await server.entries()).map(fieldsOf);
  expect(entries.map(({ seq }) => Number(seq))).toEqual(entries.map((_, at) => at + 1));
  return entries.filter(({ port_path }) => port_path !== '0').map(({ action, port_path, synthetic }) => inShort(action, port_path, synthetic));
}

function heard(observer) {
  const transitions = observer.said.filter(({ event, value }) => /^device:/.test(event ?? '') && isOurs({ value }));
  return transitions.map(({ event, value }) => inShort(event.slice(7), value.location.portPath, value.synthetic));
}

describe.each(['stopped', 'killed'])('a daemon that was %s', (how) => {
  it('tells what left, what came and what was replaced meanwhile, and does not tell the stream of what stayed', async () => {
    const [, leaves, replaced] = [await bed.plug(mouse('1')), await bed.plug(mouse('2')), await bed.plug(mouse('3'))];
    const first = await run(3);
    // In the order in which their strings were there.
    expect((await stream()).sort()).toEqual(['attach 1 startup', 'attach 2 startup', 'attach 3 startup']);
    await first.end(how);
    await bed.unplug(leaves);
    await bed.unplug(replaced);
    await bed.plug(mouse('3'));
    await bed.plug(mouse('4'));
    const second = await run(7);
    const missed = ['detach 2 missed-while-down', 'detach 3 missed-while-down', 'attach 3 missed-while-down', 'attach 4 missed-while-down'];
    const told = (await stream()).slice(3);
    expect([...told].sort()).toEqual([...missed].sort());
    // The one that went before the one that came in its place.
    expect(told.indexOf('detach 3 missed-while-down')).toBeLessThan(told.indexOf('attach 3 missed-while-down'));
    // JavaScript has no memory of its own: it gets what is present, and what ended.
    expect([...heard(second)].sort()).toEqual(['attach 1 startup', ...missed].sort());
    const present = (await second.ask('list')).filter((value) => isOurs({ value })).map(({ location }) => location.portPath);
    expect(present.sort()).toEqual(['1', '3', '4']);
    const detached = (await server.entries()).map(fieldsOf).find(({ action, port_path }) => action === 'detach' && port_path === '2');
    const attached = (await server.entries()).map(fieldsOf).find(({ action, port_path }) => action === 'attach' && port_path === '2');
    expect(detached).toMatchObject({ device_signature: attached.device_signature, stable_id: attached.stable_id, product: attached.product });
    await second.end();
  });
});

it('after another boot every device that was there has left, and every device that is there has come', async () => {
  await bed.plug(mouse('1'));
  await bed.plug(mouse('2'));
  const first = await run(2);
  await first.end('killed');
  const bootId = join(folder, 'boot_id');
  writeFileSync(bootId, '11111111-2222-3333-4444-555555555555\n');
  const mount = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"';
  const second = await run(6, { through: ['unshare', '--mount', 'sh', '-c', mount, bootId] });
  const [detaches, attaches] = [(await stream()).slice(2, 4), (await stream()).slice(4)];
  expect([...detaches].sort()).toEqual(['detach 1 reboot', 'detach 2 reboot']);
  expect([...attaches].sort()).toEqual(['attach 1 reboot', 'attach 2 reboot']);
  const entries = (await server.entries()).map(fieldsOf).filter(({ port_path }) => port_path === '1');
  expect(new Set(entries.map(({ device_signature }) => device_signature)).size).toBe(1);
  await second.end();
});

it('keeps telling of what an earlier run has told of, until it leaves, whatever its filters say by now', async () => {
  const stays = await bed.plug(mouse('1'));
  await (await run(1)).end();
  const second = await run(1, { filters: { vendor_blacklist: ['0627'] } });
  await bed.plug(mouse('2'));
  await bed.unplug(stays);
  await until(async () => (await stream()).length === 2, 'the detach');
  expect(await stream()).toEqual(['attach 1 startup', 'detach 1 -']);
  expect(heard(second)).toEqual(['attach 1 startup', 'detach 1 -']);
  await second.end();
});
