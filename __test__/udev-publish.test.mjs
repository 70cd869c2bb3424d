// `usb-daemon udev publish`: what udev's helper has written down goes to Redis without a daemon.

import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { command, finished, stateFolder } from './command.mjs';
import { fieldsOf, freePort, startRedis } from './redis-server.mjs';
import { Spool } from './spool.mjs';

let server;
let folder;
let spool;
let config;
beforeEach(async () => {
  folder = stateFolder();
  spool = new Spool(join(folder, 'spool'));
  server = await startRedis();
  config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify({ outbox: { path: join(folder, 'outbox.db') }, fallback: { spool_path: spool.path }, filters: { vendor_blacklist: ['dead'] } }));
});
afterEach(() => server.close());

const uevent = (action, seqnum, devnum, port = 4, product = '46d/c077/7200') => ({ action, seqnum, devpath: `/devices/none/usb9/9-${port}`, busnum: 9, devnum, product });
const publish = (args = [], port = server.port) => finished(['udev', 'publish', '--config', config, ...args], { env: { AUTOWEAVE_REDIS_HOST: '127.0.0.1', AUTOWEAVE_REDIS_PORT: String(port) } });
const stream = async () => (await server.entries()).map(fieldsOf).map(({ source, action, port_path, device_address, backend, synthetic, seq }) => [source, action, port_path, device_address, backend, synthetic ?? '-', seq].join(' '));

it('publishes each step once and in order, with what was known when the device came', async () => {
  spool.write([uevent('add', 100, 5), uevent('add', 103, 6, 2)], { ID_MODEL_ENC: 'Mouse', ID_SERIAL_SHORT: 'S' });
  spool.write([uevent('add', 104, 7, 3, 'dead/1/1')]);
  expect(await publish()).toEqual({ code: 0, stdout: [], stderr: ['2 events published'] });
  // udev is not done with them in the kernel's order.
  spool.write([uevent('remove', 110, 5), uevent('remove', 109, 6, 2), uevent('add', 112, 8), uevent('remove', 111, 7, 3, 'dead/1/1')]);
  spool.write([uevent('remove', 101, 99, 9)]);
  expect(await publish()).toMatchObject({ code: 0, stderr: ['4 events published'] });
  const told = ['attach 4 5', 'attach 2 6', 'detach 9 99', 'detach 2 6', 'detach 4 5', 'attach 4 8'];
  expect(await stream()).toEqual(told.map((event, at) => `udev ${event} udev-helper - ${at + 1}`));
  const entries = (await server.entries()).map(fieldsOf);
  expect(entries[4]).toMatchObject({ product: 'Mouse', serial_number: 'S', stable_id: entries[0].stable_id });
  expect(spool.files).toEqual([]);
  expect(await publish()).toMatchObject({ code: 0, stderr: ['nothing waits'] });
});

it('keeps what Redis has not taken for the next run, and a record that comes twice is told once', async () => {
  const steps = [uevent('add', 200, 5), uevent('remove', 201, 5)];
  spool.write(steps);
  const away = await publish(['--timeout', '1'], await freePort());
  expect(away).toMatchObject({ code: 1, stderr: [expect.stringMatching(/^error: 2 events wait, stored for the next run: .*\[ERR_USB_REDIS\]$/)] });
  expect(spool.files, 'stored').toEqual([]);
  spool.write(steps);
  expect(await publish()).toMatchObject({ code: 0 });
  expect(await stream()).toEqual(['udev attach 4 5 udev-helper - 1', 'udev detach 4 5 udev-helper - 2']);
});

it('leaves it to a daemon that runs, which tells what was missed', async () => {
  const daemon = command(['run', '--config', config, '--no-http', '--no-redis', '--set', 'sources.libusb=false']);
  await daemon.stderr.waitFor(/^snapshot/);
  const { code, stderr } = await publish();
  expect([code, stderr]).toEqual([0, [expect.stringMatching(/^a daemon has this outbox/)]]);
  await daemon.end();
});

it('takes what it can, and fails by name where something remains that it cannot take', async () => {
  const stays = '00000000000000000007.event';
  mkdirSync(join(spool.path, stays));
  const named = [1, expect.stringMatching(new RegExp(`${stays} is no record of the helper: it is no regular file; it has to be removed by hand.*ERR_USB_SPOOL`))];
  spool.write([uevent('add', 300, 5)]);
  const { code, stderr } = await publish();
  expect([code, stderr.at(-1)]).toEqual(named);
  expect([await stream(), spool.files]).toEqual([['udev attach 4 5 udev-helper - 1'], [stays]]);
  rmdirSync(join(spool.path, stays));
  // What is not named like a record is nobody's business here, and what is named wrongly goes.
  spool.put('README', '');
  spool.put('8.event', '');
  expect(await publish()).toMatchObject({ code: 0 });
  expect(spool.files).toEqual(['README']);
});

it('leaves the records to others where the outbox is no file', async () => {
  spool.write([uevent('remove', 400, 5)]);
  const daemon = command(['run', '--config', config, '--no-http', '--no-redis', '--outbox', ':memory:', '--set', 'sources.libusb=false']);
  expect((await daemon.stderr.waitFor(/udev-helper/))[0]).toMatch(/unavailable.*records are left in .*: the outbox is no file/);
  await daemon.stderr.waitFor(/^snapshot/);
  await daemon.end();
  expect(spool.files).toHaveLength(1);
});

it('is refused where there is nowhere to publish to, or to store', async () => {
  expect(await publish(['--no-redis'])).toMatchObject({ code: 2, stderr: [expect.stringMatching(/nowhere to publish.*ERR_USB_CONFIG/)] });
  expect(await publish(['--outbox', ':memory:'])).toMatchObject({ code: 1, stderr: [expect.stringMatching(/needs a file.*ERR_USB_OUTBOX/)] });
});
