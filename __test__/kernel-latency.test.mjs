// From the kernel's uevent to the JavaScript callback, with udevd running, beside npm `usb` in the same guest.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openQemuBed } from './beds/qemu/index.mjs';
import { broadcastOf, recordBroadcasts, recordedBroadcasts } from './kernel-broadcasts.mjs';
import { observe } from './observe.mjs';

const ROUNDS = 44;
/** Of the peer's median. In absolute terms the figures are printed: they are the emulator's and the machine's of the day as much as ours. */
const RATIO_LIMIT = 0.35;
/** What the peer has not told by then counts as never told. */
const PEER_PATIENCE_MS = 5_000;
const PEER_VERSION = '2.18';
const KINDS = ['keyboard', 'storage', 'serial', 'tablet'];

const peerFolder = fileURLToPath(new URL('../.cache/peers/usb2', import.meta.url));
const peerProgram = fileURLToPath(new URL('./kernel-peer-usb2.cjs', import.meta.url));

/** Installs the peer once; its package brings the compiled addon along. */
async function installPeer() {
  const folder = join(peerFolder, 'node_modules/usb');
  const installed = await readFile(join(folder, 'package.json'), 'utf8').then(JSON.parse, () => ({ version: '' }));
  if (!installed.version.startsWith(`${PEER_VERSION}.`)) {
    const argv = ['install', '--prefix', peerFolder, '--ignore-scripts', '--no-audit', '--no-fund', `usb@${PEER_VERSION}`];
    await promisify(execFile)('npm', argv).catch((error) => {
      throw new Error(`npm usb ${PEER_VERSION}, which the latency is compared with, cannot be installed: ${error.stderr || error.message}`);
    });
  }
  return folder;
}

async function startPeer(bed, folder) {
  const child = bed.spawn([process.execPath, peerProgram, folder], { cwd: '/' });
  await child.waitForLine((line) => JSON.parse(line).event === 'ready', { timeoutMs: 20_000 });
  return child;
}

/** Plugs and pulls; gives what `hears` was told of each uevent, in ms after the kernel's broadcast, Infinity where it was told nothing. */
async function measure(bed, hears) {
  const told = [];
  for (let round = 0; round < ROUNDS; round++) {
    const from = bed.ledger().length;
    hears.mark();
    const handle = await bed.plug({ kind: KINDS[round % KINDS.length], controller: round % 4, port: String(1 + (round % 3)), serial: `LATENCY-${round}` });
    await bed.settle(handle, 'bind');
    const add = bed.ledger().slice(from).find(({ action, devpath }) => action === 'add' && devpath === handle.devpath);
    told.push({ event: 'attach', uevent: add, line: await hears.next('attach', add) });
    await bed.unplug(handle);
    const remove = await bed.settle(handle, 'gone');
    told.push({ event: 'detach', uevent: remove, line: await hears.next('detach', remove) });
  }
  const moments = await recordedBroadcasts(bed);
  return told.map(({ event, uevent, line }) => ({ event, ms: line ? (Number(line.monotonic_ns) - broadcastOf(uevent, moments)) / 1e6 : Infinity }));
}

function ourEars(observer) {
  let since = 0;
  return {
    mark: () => (since = observer.said.length),
    next: (event, { busnum, devnum }) =>
      observer.waitFor(
        ({ event: said, value }) => said === `device:${event}` && value.location.busNumber === busnum && value.location.deviceAddress === devnum,
        `${event} of ${busnum}:${devnum}`,
        { since },
      ),
  };
}

function peerEars(child) {
  const isOf = (event, { busnum, devnum }) => (text) => {
    const line = JSON.parse(text);
    return line.event === event && line.busNumber === busnum && line.deviceAddress === devnum;
  };
  return {
    mark: () => {},
    next: (event, uevent) => child.waitForLine(isOf(event, uevent), { timeoutMs: PEER_PATIENCE_MS }).then(JSON.parse, () => undefined),
  };
}

function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

function figures(values) {
  return { n: values.length, least: Math.min(...values), median: quantile(values, 0.5), p95: quantile(values, 0.95), max: Math.max(...values), never: values.filter((ms) => ms === Infinity).length };
}

describe('time from the kernel to the callback, with udevd', () => {
  let bed;
  let table;

  beforeAll(async () => {
    const folder = await installPeer();
    bed = await openQemuBed({ udev: true });
    const observer = await observe(bed, { config: { redis: false, monitoring: { enabled: false } }, user: 'nobody' });
    await observer.ask('start');
    await recordBroadcasts(bed);
    table = {};
    const enter = (name, samples) => {
      for (const event of ['attach', 'detach']) table[`${event}, ${name}`] = figures(samples.filter((sample) => sample.event === event).map(({ ms }) => ms));
    };
    // One after the other: on the guest's one processor each would be measured by what the other does.
    enter('usb-daemon', await measure(bed, ourEars(observer)));
    await observer.ask('stop');
    enter(`usb ${PEER_VERSION}`, await measure(bed, peerEars(await startPeer(bed, folder))));
    const row = (name, { n, median, p95, max, never }) =>
      `${name.padEnd(20)} ${String(n).padStart(4)} ${[median, p95, max].map((ms) => ms.toFixed(2).padStart(9)).join(' ')} ${String(never).padStart(6)}`;
    const head = `${'ms after the uevent'.padEnd(20)}    n    median       p95       max  never`;
    console.log([head, ...Object.entries(table).map(([name, each]) => row(name, each))].join('\n'));
  }, 300_000);
  afterAll(() => bed?.close());

  for (const event of ['attach', 'detach']) {
    it(`tells of ${event} in a small part of the time that npm usb takes`, () => {
      const [ours, peer] = [table[`${event}, usb-daemon`], table[`${event}, usb ${PEER_VERSION}`]];
      // A peer that was deaf in this guest would make any comparison come out well.
      expect(peer.never).toBeLessThan(ROUNDS / 4);
      expect(ours).toMatchObject({ n: ROUNDS, never: 0 });
      // An event that came before its cause would mean that the clock is not to be trusted.
      expect(ours.least).toBeGreaterThan(0);
      expect(ours.median / peer.median).toBeLessThanOrEqual(RATIO_LIMIT);
    });
  }
});
