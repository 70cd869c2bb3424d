// A running `usb-daemon run` reads its limits and filters again, on a bus with real uevents and before a real Redis.

import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { stateFolder } from './command.mjs';
import { packageRoot, UNPACED } from './daemon.mjs';
import { fieldsOf, seqsOf, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const PORT = 8080;
const usbDaemon = [process.execPath, join(packageRoot, 'bin', 'usb-daemon.js')];

let bed;
afterEach(async () => {
  await bed?.close();
  bed = undefined;
});

/** A daemon before a Redis; `write` gives it another configuration, which is whole at every moment. */
async function running(content) {
  // By a socket, because a bed has a network of its own.
  const folder = stateFolder();
  const socket = join(folder, 'redis.sock');
  const server = await startRedis({ args: ['--unixsocket', socket] });
  onTestFinished(() => server.close());
  const configs = join(folder, 'config');
  const path = join(configs, 'config.json');
  const write = async (next) => {
    await mkdir(configs, { recursive: true });
    await writeFile(`${path}.new`, JSON.stringify({ redis: { path: socket }, monitoring: { healthcheck_port: PORT }, ...next }));
    await rename(`${path}.new`, path);
  };
  await write(content);
  bed = await openNamespaceBed();
  const program = bed.spawn([...usbDaemon, 'run', '--config', path, '--json', '--outbox', join(folder, 'outbox.db')]);
  const told = [];
  const states = [];
  const reading = (async () => {
    for await (const line of program.stdout) {
      const { type, info, state } = JSON.parse(line);
      if (type === 'attach' || type === 'detach') told.push({ type, info });
      if (type === 'config') states.push(state);
    }
  })();
  reading.catch(() => {});
  const present = (await bed.exec([...usbDaemon, 'list', '--json'])).stdout.trim().split('\n').length;
  await until(() => told.length >= present, 'what is present');
  return { server, program, told, present, write, configs, stated: (state) => states.filter((of) => of === state).length };
}

/** Ms since 1970 at which the server took an entry. */
const takenAt = ([id]) => Number(id.split('-')[0]);

describe('a limit of events per second that is lifted while a burst of 200 waits', () => {
  for (const [how, lift] of [
    ['by a changed file', ({ write }) => write({ performance: { max_events_per_second: 0 } })],
    [
      'by SIGHUP, where nothing watches the file any more',
      async ({ program, write, configs, stated }) => {
        await rm(configs, { recursive: true });
        await until(() => stated('deaf') === 1, 'the watch to end');
        await write({ performance: { max_events_per_second: 0 } });
        program.kill('SIGHUP');
      },
    ],
  ]) {
    it(`lets them go at once, in order and without a loss: ${how}`, async () => {
      const PER_SECOND = 20;
      const daemon = await running({ performance: { max_events_per_second: PER_SECOND } });
      const { server, told, present } = daemon;
      await bed.burst({ pairs: 100, entry: 'kept' });
      const all = present + 200;
      await until(() => told.length === all, 'all of them to be told');
      // A second's worth goes at once, beside what was present at the start; what comes after that comes at the pace.
      const atOnce = PER_SECOND + present;
      const paced = await server.waitForEntries(atOnce + 10);
      expect(paced.length).toBeLessThan(all);
      await lift(daemon);
      await until(() => daemon.stated('reloaded') === 1, 'the reload');
      const before = (await server.entries()).length;
      const entries = await server.waitForEntries(all);
      expect(seqsOf(entries)).toEqual(upTo(all));
      expect(entries.map(fieldsOf).map(({ event_id, action }) => [event_id, action])).toEqual(told.map(({ type, info }) => [info.eventId, type]));
      const each = (from, to) => (takenAt(entries[to]) - takenAt(entries[from])) / (to - from);
      const pace = each(atOnce, paced.length - 1);
      const later = before < all - 1 ? each(before, all - 1) : 0;
      expect(later).toBeLessThan(pace / 3);
    });
  }
});

it('filters that are read again and again during a burst of 4,000 events lose none: each is in the stream or counted, and pairs are whole', async () => {
  const PAIRS = 1_000;
  const FILTERED = { kind: 'mouse', controller: 0, port: '3' };
  const OTHER = { kind: 'storage', controller: 1, port: '4' };
  const daemon = await running({ performance: UNPACED });
  const { server, program, present } = daemon;
  let isOver = false;
  const bursts = Promise.all([FILTERED, OTHER].map((device) => bed.burst({ ...device, pairs: PAIRS, rate_per_second: 1_000 }))).finally(() => (isOver = true));
  // As many of them as can be: devices come under one filter and leave under another.
  for (let reload = 1; !isOver; reload += 1) {
    await daemon.write({ performance: UNPACED, filters: { vendor_blacklist: reload % 2 === 0 ? [] : ['0627'] } });
    program.kill('SIGHUP');
    await until(() => daemon.stated('reloaded') >= reload, 'the reload');
  }
  await bursts;

  const sent = (await bed.ledger()).map(({ action, busnum, devnum }) => `${action === 'add' ? 'attach' : 'detach'} ${busnum}:${devnum}`);
  expect(sent).toHaveLength(4 * PAIRS);
  const outbox = async () => JSON.parse((await bed.exec([...usbDaemon, 'health', '--json'])).stdout).outbox;
  const isAll = ({ published, filtered }) => published + filtered === present + sent.length;
  const account = await until(async () => [await outbox()].find(isAll), 'each event to be published or counted');
  expect(account).toMatchObject({ seen: present + sent.length, waiting: 0, dropped: 0, carriedOver: 0 });

  const entries = (await server.entries()).map(fieldsOf);
  expect(entries.map(({ seq }) => Number(seq))).toEqual(upTo(account.published));
  const on = (bus) => (text) => text.split(' ')[1].startsWith(`${bus}:`);
  const live = entries.filter(({ synthetic }) => synthetic === undefined).map(({ action, bus_number, device_address }) => `${action} ${bus_number}:${device_address}`);
  expect(live.filter(on(2))).toEqual(sent.filter(on(2)));
  // Of those that a filter may hold back, some were and some were not, and each as a whole.
  const pairsOf = (lines) => lines.flatMap((line, at) => (at % 2 === 0 ? [`${line}, ${lines[at + 1]}`] : []));
  const told = pairsOf(live.filter(on(1)));
  const whole = new Set(pairsOf(sent.filter(on(1))));
  expect(told.filter((pair) => !whole.has(pair))).toEqual([]);
  expect(told.length).toBeGreaterThan(0);
  expect(account.filtered).toBe(2 * (PAIRS - told.length));
  expect(account.filtered).toBeGreaterThan(0);
});
