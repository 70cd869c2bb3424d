// Which unit a device is, in a real kernel: through replugs, other ports, twins, a daemon that is killed, and another boot of the machine.

import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { openQemuBed } from './beds/qemu/index.mjs';
import { controllerAddress } from './beds/qemu/machine.mjs';
import { isTransition, observe } from './observe.mjs';

const cli = fileURLToPath(new URL('../bin/usb-daemon.js', import.meta.url));
const OUTBOX = '/tmp/outbox.db';
const CONFIG = { redis: false, monitoring: { enabled: false }, outbox: { path: OUTBOX, required: true } };
/** QEMU's keyboards, mice and tablets are one model. */
const MODEL = '0627:0001';
/** With an empty text the kernel finds no serial number; without any, QEMU makes one of the port. */
const NONE = '';

const byPort = (port, controller = 0) => `${MODEL}@${controllerAddress(controller)}-usb2-${port}`;
const bySerial = (serial) => `${MODEL}:${serial}`;
const names = (devices) => devices.map(({ info }) => `${info.stableId} ${info.identity}`);

/** A guest with a daemon in it, and the plugs that it hears. */
class Guest {
  #plugged = new Set();

  constructor(bed) {
    this.bed = bed;
  }

  static async boot() {
    return new Guest(await openQemuBed({ udev: false, controllers: 2 }));
  }

  async start() {
    this.observer = await observe(this.bed, { config: CONFIG, user: 'nobody' });
    await this.observer.ask('start', {}, 60_000);
  }

  async #heard(event, handle, since) {
    const { busnum, devnum } = handle;
    const isIt = (line) => line.event === event && line.value.location.busNumber === Number(busnum) && line.value.location.deviceAddress === Number(devnum);
    return (await this.observer.waitFor(isIt, `${event} of ${handle.name}`, { since })).value;
  }

  /** Plugs one in without a daemon to hear it. */
  async insert(port, serial, { controller = 0, kind = 'keyboard' } = {}) {
    const handle = await this.bed.plug({ kind, controller, port: String(port), serial });
    this.#plugged.add(handle);
    await this.bed.settle(handle, 'bind');
    return handle;
  }

  /**
   * Plugs one in; gives it with the info of its attach. Where the guest is so slow that the driver has kept the strings for 500 ms, nobody can know
   * its serial number, and it is plugged in once more.
   */
  async plug(port, serial, options) {
    for (let attempt = 1; ; attempt += 1) {
      const since = this.observer.said.length;
      const handle = await this.insert(port, serial, options);
      const info = await this.#heard('device:attach', handle, since);
      if (!info.partial || attempt === ATTEMPTS) return { handle, info };
      await this.pull({ handle });
    }
  }

  /** Pulls it; gives the info of its detach. */
  async pull({ handle }) {
    const since = this.observer.said.length;
    await this.#remove(handle);
    return this.#heard('device:detach', handle, since);
  }

  async #remove(handle) {
    this.#plugged.delete(handle);
    await this.bed.unplug(handle);
    await this.bed.settle(handle, 'gone');
  }

  /** What a test has left in. */
  async clear() {
    for (const handle of this.#plugged) await this.#remove(handle);
  }

  /** The names that it has at its attach and at its detach, in one line each. */
  async cycle(port, serial, options) {
    const device = await this.plug(port, serial, options);
    const left = await this.pull(device);
    return names([device, { info: left }]);
  }

  identify(info) {
    return this.observer.ask('identify', { info });
  }

  async bootId() {
    return (await this.bed.exec(['cat', '/proc/sys/kernel/random/boot_id'])).stdout.trim();
  }
}

/** Of one device, until its strings could be read. */
const ATTEMPTS = 5;

const twice = (id, identity) => [`${id} ${identity}`, `${id} ${identity}`];

describe('in a real kernel, as nobody', () => {
  let guest;
  let folder;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'kernel-identity-'));
    guest = await Guest.boot();
    await guest.start();
  });
  afterEach(() => guest.clear());
  afterAll(async () => {
    await guest?.bed.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('a unit with a serial number is the same one after a replug, on another port and on another controller', async () => {
    const first = await guest.plug(1, 'UNIT-1');
    expect(await guest.identify(first.info)).toEqual({ stableId: bySerial('UNIT-1'), identity: 'serial', certain: true, reason: 'serial', connected: first.info });
    const left = await guest.pull(first);
    expect((await guest.identify(left)).connected).toBe(undefined);
    expect(await guest.cycle(1, 'UNIT-1')).toEqual(twice(bySerial('UNIT-1'), 'serial'));
    expect(await guest.cycle(2, 'UNIT-1')).toEqual(twice(bySerial('UNIT-1'), 'serial'));

    // Both wait before it comes.
    const command = guest.bed.spawn([process.execPath, cli, 'wait', '--stable-id', bySerial('UNIT-1'), '--json', '--timeout', '60s'], { user: 'nobody' });
    const waited = guest.observer.ask('waitFor', { match: { sameUnitAs: left } });
    const other = await guest.plug(1, 'UNIT-2');
    const moved = await guest.plug(3, 'UNIT-1', { controller: 1 });
    expect(await waited).toEqual(moved.info);
    const line = JSON.parse(await command.waitForLine(() => true, { timeoutMs: 30_000 }));
    expect(await command.exit).toEqual({ code: 0, signal: null });
    expect([line.info?.stableId ?? line.stableId, (line.info ?? line).location]).toEqual([moved.info.stableId, moved.info.location]);
    expect((await guest.identify(left)).connected).toEqual(moved.info);
    for (const device of [other, moved]) await guest.pull(device);
  }, 120_000);

  it('one without is its model on its port: the same after a replug, another one on another port, and two at once are two', async () => {
    const first = await guest.plug(1, NONE);
    expect(first.info.serialNumber).toBe(undefined);
    const second = await guest.plug(2, NONE);
    expect(names([first, second])).toEqual([`${byPort(1)} port`, `${byPort(2)} port`]);
    expect(await guest.identify(second.info)).toMatchObject({ certain: false, reason: 'no-serial', connected: second.info });
    const left = await guest.pull(first);
    expect(await guest.cycle(1, NONE)).toEqual(twice(byPort(1), 'port'));
    expect(await guest.cycle(1, NONE, { controller: 1 })).toEqual(twice(byPort(1, 1), 'port'));
    expect((await guest.identify(left)).connected, 'it hangs on no other port').toBe(undefined);
    await guest.pull(second);
  }, 60_000);

  it.each(['0123456789', '000000000000'])('one with the serial number %s is, too', async (serial) => {
    const device = await guest.plug(1, serial);
    expect([device.info.serialNumber, ...names([device])]).toEqual([serial, `${byPort(1)} port`]);
    expect(await guest.identify(device.info)).toMatchObject({ certain: false, reason: 'junk-serial' });
    await guest.pull(device);
    expect(await guest.cycle(2, serial)).toEqual(twice(byPort(2), 'port'));
  }, 60_000);

  it('of two with one serial number the first keeps its name to the end, the second has its port, and from then on neither is named by it', async () => {
    const first = await guest.plug(1, 'TWIN');
    const second = await guest.plug(2, 'TWIN');
    expect(names([first, second])).toEqual([`${bySerial('TWIN')} serial`, `${byPort(2)} port`]);
    expect((await guest.identify(first.info)).reason).toBe('shared-serial');
    expect(await guest.pull(first)).toMatchObject({ stableId: bySerial('TWIN'), identity: 'serial' });
    expect(await guest.pull(second)).toMatchObject({ stableId: byPort(2), identity: 'port' });
    expect(await guest.cycle(1, 'TWIN')).toEqual(twice(byPort(1), 'port'));
    expect(await guest.cycle(3, 'TWIN', { kind: 'tablet' })).toEqual(twice(byPort(3), 'port'));
  }, 60_000);

  it('a serial number that is first seen on a second device later names its unit until then', async () => {
    expect(await guest.cycle(1, 'LATE')).toEqual(twice(bySerial('LATE'), 'serial'));
    const known = await guest.plug(2, 'LATE');
    expect((await guest.identify(known.info)).certain).toBe(true);
    const twin = await guest.plug(3, 'LATE');
    expect(names([known, twin])).toEqual([`${bySerial('LATE')} serial`, `${byPort(3)} port`]);
    const left = await guest.pull(known);
    expect(left.stableId).toBe(bySerial('LATE'));
    expect(await guest.identify(left)).toMatchObject({ identity: 'serial', certain: false, reason: 'shared-serial' });
    expect(await guest.cycle(2, 'LATE')).toEqual(twice(byPort(2), 'port'));
    await guest.pull(twin);
  }, 60_000);

  it('holds after the daemon was killed: for what has left and for what is there', async () => {
    const there = [await guest.plug(1, 'UNIT-1'), await guest.plug(2, 'PAIR'), await guest.plug(3, 'PAIR'), await guest.plug(4, NONE)];
    await guest.observer.end('killed');
    await guest.start();
    const present = (await guest.observer.ask('list')).filter(({ stableId }) => stableId.startsWith(MODEL));
    expect(names(present.map((info) => ({ info }))).toSorted()).toEqual(names(there).toSorted());
    expect(await guest.cycle(1, 'TWIN', { controller: 1 })).toEqual(twice(byPort(1, 1), 'port'));
    expect(await guest.cycle(1, 'UNIT-2', { controller: 1 })).toEqual(twice(bySerial('UNIT-2'), 'serial'));
    const [, first, second] = there;
    expect([(await guest.pull(first)).stableId, (await guest.pull(second)).stableId]).toEqual([bySerial('PAIR'), byPort(3)]);
    expect(await guest.cycle(2, 'PAIR')).toEqual(twice(byPort(2), 'port'));
  }, 90_000);

  it('holds after another boot: what identified does, what did not does not', async () => {
    const there = [await guest.plug(1, 'UNIT-1'), await guest.plug(2, 'PAIR-2'), await guest.plug(3, 'PAIR-2'), await guest.plug(4, NONE)];
    expect(names(there)).toEqual([`${bySerial('UNIT-1')} serial`, `${bySerial('PAIR-2')} serial`, `${byPort(3)} port`, `${byPort(4)} port`]);
    const bootId = await guest.bootId();
    await guest.observer.end();
    const { stdout } = await guest.bed.exec(['base64', '-w', '0', OUTBOX]);
    const file = path.join(folder, 'outbox.db');
    await writeFile(file, Buffer.from(stdout, 'base64'));
    await guest.bed.close();

    guest = await Guest.boot();
    expect(await guest.bootId()).not.toBe(bootId);
    const copied = await guest.bed.shell(`cp /run/bed/host${file} ${OUTBOX} && chown nobody ${OUTBOX}`);
    expect(copied).toMatchObject({ code: 0, stderr: '' });
    // There when the daemon starts, and on other ports than before.
    await guest.insert(2, 'UNIT-1');
    await guest.insert(1, 'TWIN');
    await guest.start();
    const ended = guest.observer.said.filter((line) => line.event === 'device:detach' && line.value.stableId.startsWith(MODEL)).map(({ value }) => value);
    expect(ended.map(({ stableId, synthetic }) => `${stableId} ${synthetic}`).toSorted()).toEqual(there.map(({ info }) => `${info.stableId} reboot`).toSorted());
    const begun = guest.observer.said.filter((line) => isTransition(line) && line.event === 'device:attach' && line.value.stableId.startsWith(MODEL)).map(({ value }) => value);
    expect(begun.map(({ stableId, synthetic }) => `${stableId} ${synthetic}`).toSorted()).toEqual([`${bySerial('UNIT-1')} reboot`, `${byPort(1)} reboot`]);
    expect((await guest.identify(there[0].info)).connected).toMatchObject({ stableId: bySerial('UNIT-1'), location: { portPath: '2' } });
    for (const serial of ['LATE', 'PAIR', 'PAIR-2']) expect(await guest.cycle(3, serial)).toEqual(twice(byPort(3), 'port'));
    expect(await guest.cycle(3, 'UNIT-2')).toEqual(twice(bySerial('UNIT-2'), 'serial'));
  }, 180_000);
});
