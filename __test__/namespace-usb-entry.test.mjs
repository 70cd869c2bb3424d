// One and the same watching program, with npm usb 2 and with our entry /usb, side by side on one bus.

import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { Observer } from './observe.mjs';
import { installPeer } from './peer-usb2.mjs';
import { until } from './until.mjs';

const watcher = fileURLToPath(new URL('./usb-watcher.cjs', import.meta.url));
const ours = fileURLToPath(new URL('../usb.js', import.meta.url));
const peer = await installPeer();

const MOUSE = { kind: 'mouse', controller: 0, port: '3' };
/** Where devices are plugged to find out whether a program hears yet. */
const KNOCK = { kind: 'tablet', controller: 3, port: '9' };
// libudev, which npm usb 2 lists by, must take the bed's tree for a sysfs.
const env = { SYSTEMD_DEVICE_VERIFY_SYSFS: '0' };

let bed;
afterEach(async () => {
  await bed?.close();
  bed = undefined;
});

class Watcher extends Observer {
  constructor(child) {
    super(child);
    this.write = (line) => child.write(line);
  }

  /** What it has said, but for the knocks. */
  get account() {
    const isKnock = ({ portNumbers, idVendor }, at) => portNumbers?.[0] === 9 || (idVendor && this.said[at - 1].portNumbers?.[0] === 9);
    return this.said.filter((line, at) => line.event !== 'ready' && !isKnock(line, at));
  }

  hears(event, { busnum, devnum }) {
    return this.waitFor((line) => line.event === event && line.busNumber === busnum && line.deviceAddress === devnum, `${event} ${busnum}:${devnum}`);
  }
}

async function watch(module, options) {
  const watcher_ = new Watcher(bed.spawn([process.execPath, watcher, module], { env, ...options }));
  await watcher_.waitFor(({ event }) => event === 'ready', 'the watcher to be ready');
  return watcher_;
}

/** Plugs and pulls until each of the programs has told a whole pair. */
async function knock(...watchers) {
  await until(async () => {
    await bed.unplug(await bed.plug(KNOCK));
    return watchers.every(({ said }) => said.some(({ event, portNumbers }) => event === 'detach' && portNumbers?.[0] === 9));
  }, 'all programs to hear');
}

async function sideBySide(options) {
  bed = await openNamespaceBed({ udevd: true });
  const present = await bed.plug(MOUSE);
  const pair = await Promise.all([watch(ours, options), watch(peer, options)]);
  await knock(...pair);
  const both = (event, handle) => Promise.all(pair.map((each) => each.hears(event, handle)));
  return { present, pair, both };
}

/** Plugs two devices on a hub and pulls them, then what was present from the beginning. */
async function comeAndGo({ present, both }) {
  const handles = [];
  for (const device of [{ kind: 'hub', controller: 1, port: '1' }, { kind: 'storage', controller: 1, port: '1.2' }, { kind: 'serial', controller: 1, port: '1.4' }]) {
    handles.push(await bed.plug(device));
    await both('attach', handles.at(-1));
  }
  for (const handle of [...handles.reverse(), present]) {
    await bed.unplug(handle);
    await both('detach', handle);
  }
}

describe('a program written for npm usb 2', () => {
  it('hears the same events with the same fields in the same order, and nothing of what was present', async () => {
    const { present, pair, both } = await sideBySide();
    await comeAndGo({ present, both });
    const [us, them] = pair;
    // Each event and its IDs: the last line comes a moment after the last event.
    await until(() => pair.every(({ account }) => account.length >= 14), 'both accounts to be complete');
    // npm usb 2 has none where it asks before the kernel has put a configuration in force, and is asked again for nothing.
    const unlessEarly = (line, at) => (them.account[at].configDescriptor ? line : { ...line, configDescriptor: undefined });
    expect(us.account.map(unlessEarly)).toEqual(them.account);
    expect(us.account.map(({ event }) => event)).toEqual([...Array(3).fill(['attach', 'attachIds']), ...Array(4).fill(['detach', 'detachIds'])].flat());
    expect(us.account[2]).toMatchObject({ portNumbers: [1, 2], configDescriptor: { interfaces: [[{ bInterfaceClass: 8, bInterfaceSubClass: 6, bInterfaceProtocol: 0x50 }]] } });
    expect(us.stderrText()).toBe('');
  });

  it('lists the same devices with the same fields, before and after', async () => {
    const { pair } = await sideBySide();
    const lists = async () => {
      const since = pair.map(({ said }) => said.length);
      for (const each of pair) each.write('list');
      return Promise.all(pair.map((each, at) => each.waitFor(({ event }) => event === 'list', 'list', { since: since[at] })));
    };
    const [us, them] = await lists();
    expect(us).toEqual(them);
    expect(us.found).toBe('1:2');
    const hub = await bed.plug({ kind: 'hub', controller: 1, port: '1' });
    await Promise.all(pair.map((each) => each.hears('attach', hub)));
    const [ours, theirs] = await lists();
    expect(ours).toEqual(theirs);
    expect(ours.devices).toHaveLength(us.devices.length + 1);
  });

  it('hears what comes the moment after its listener, and what was present leave then', async () => {
    bed = await openNamespaceBed({ udevd: true });
    for (const module of [ours, peer]) {
      const present = await bed.plug(MOUSE);
      const watcher_ = await watch(module);
      const handle = await bed.plug({ ...MOUSE, port: '4' });
      await bed.unplug(present);
      await watcher_.hears('attach', handle);
      await watcher_.hears('detach', present);
      await bed.unplug(handle);
      await watcher_.hears('detach', handle);
      expect(watcher_.account.filter(({ portNumbers }) => portNumbers).map(({ event }) => event).toSorted()).toEqual(['attach', 'detach', 'detach']);
    }
  });

  it('hears where there is no udevd, no device node and no privilege', async () => {
    bed = await openNamespaceBed({ devfs: false });
    const watcher_ = await watch(ours, { user: 'nobody' });
    await knock(watcher_);
    const handle = await bed.plug(MOUSE);
    await watcher_.hears('attach', handle);
    await bed.unplug(handle);
    const { same, deviceDescriptor } = await watcher_.hears('detach', handle);
    expect([same, deviceDescriptor.idVendor, deviceDescriptor.bLength]).toEqual([true, 0x0627, 18]);
  });
});

describe('the process of such a program', () => {
  for (const [name, module] of [['ours', ours], ['npm usb 2', peer]]) {
    const run = (text) => bed.exec([process.execPath, '-e', `const { usb } = require(process.argv[1]); ${text}`, module], { env });

    it(`is held by a listener, and ends once the last one has gone: ${name}`, async () => {
      bed = await openNamespaceBed({ udevd: true });
      const watcher_ = await watch(module);
      await knock(watcher_);
      watcher_.endInput();
      const handle = await bed.plug(MOUSE);
      await watcher_.hears('attach', handle);
      watcher_.kill('SIGKILL');
      expect((await watcher_.exit).signal).toBe('SIGKILL');
      const other = await watch(module);
      other.write('leave');
      other.endInput();
      expect(await other.exit).toEqual({ code: 0, signal: null });
    });

    it(`is let go by unrefHotplugEvents, called after the listener: ${name}`, async () => {
      bed = await openNamespaceBed({ udevd: true });
      expect(await run("usb.on('attach', () => {}); usb.unrefHotplugEvents();")).toMatchObject({ code: 0, stderr: '' });
      const held = bed.spawn([process.execPath, '-e', `
        const { usb } = require(process.argv[1]);
        usb.unrefHotplugEvents();
        usb.on('detach', () => process.exit(7));
      `, module], { env });
      await until(async () => {
        await bed.unplug(await bed.plug(KNOCK));
        return !held.running;
      }, 'the detach that ends it');
      expect((await held.exit).code).toBe(7);
    });
  }
});
