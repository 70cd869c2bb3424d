// The rest of what a real kernel with slow udev rules has to show: sound, the network, gadgets of many functions, and devices that are not as USB has them.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { saidBy } from './guest-shell.mjs';
import { REFUSED, TAKEN } from './malformed-devices.mjs';
import { PLUG_LIMIT_MS, addressOf, checkOrder, config, openReadyBed, openingAll, reasonsOf } from './ready-bed.mjs';
import { until } from './until.mjs';

/** How often each kind of device is plugged. */
const EACH = Number(process.env.USB_DAEMON_READY_EACH ?? 2);
/** As many at a time as there are ports for gadgets. */
const LANES = 4;
const CONTROLLERS = 2;
const MALFORMED_VID = 0x1209;
const REFUSALS_MS = 60_000;
const cli = fileURLToPath(new URL('../bin/usb-daemon.js', import.meta.url));

const SOUND_CARD = ['sound/controlC#', 'sound/dmmidi#', 'sound/midi#', 'sound/midiC#D#'];
const KEYBOARD = ['hidraw/hidraw#', 'input/event#'];
const DISK = ['block/sd', 'bsg/#:#:#:#'];
const gadget = (...functions) => (bed, serial) => bed.plugGadget({ functions, strings: ['Maker', 'Gadget', serial] });
/** One that has been left for long. */
const portOf = (plug) => String(1 + (plug % 8));
/** How each kind is plugged, whose its interfaces are, what it can do, and what it has beside its own node: nothing else, and not what the gadget's side has. */
const KINDS = {
  audio: {
    plug: (bed, serial, plug) => bed.plug({ kind: 'audio', controller: 0, port: portOf(plug), serial }),
    drivers: ['snd-usb-audio', 'snd-usb-audio'],
    capabilities: ['audio:other', 'audio:uac1'],
    nodes: ['sound/controlC#', 'sound/pcmC#D#p'],
  },
  network: {
    plug: (bed, serial, plug) => bed.plug({ kind: 'network', controller: 1, port: portOf(plug), serial }),
    drivers: ['cdc_ether', 'cdc_ether'],
    capabilities: ['network:rndis', 'network:cdc-ecm'],
    nodes: ['net'],
  },
  'serial line, disk and network': {
    plug: gadget('acm', 'mass_storage', 'ecm'),
    drivers: ['cdc_acm', 'cdc_acm', 'usb-storage', 'cdc_ether', 'cdc_ether'],
    capabilities: ['serial:cdc-acm', 'storage:bulk-only', 'network:cdc-ecm'],
    nodes: ['tty/ttyACM#', ...DISK, 'net'],
  },
  'network and disk': {
    plug: gadget('ncm', 'mass_storage'),
    drivers: ['cdc_ncm', 'cdc_ncm', 'usb-storage'],
    capabilities: ['network:cdc-ncm', 'storage:bulk-only'],
    nodes: ['net', ...DISK],
  },
  'keyboard and serial line': {
    plug: gadget('hid', 'acm'),
    drivers: ['usbhid', 'cdc_acm', 'cdc_acm'],
    capabilities: ['hid:keyboard', 'serial:cdc-acm'],
    nodes: [...KEYBOARD, 'tty/ttyACM#'],
  },
  'instrument and keyboard': {
    plug: gadget('midi', 'hid'),
    drivers: ['snd-usb-audio', 'snd-usb-audio', 'usbhid'],
    capabilities: ['audio:uac1', 'audio:midi', 'hid:keyboard'],
    nodes: [...SOUND_CARD, ...KEYBOARD],
  },
};
/** Whose udev's own rules make a node of each subsystem. */
const GROUPS = { block: 'disk', tty: 'dialout', sound: 'audio', input: 'input' };
const groups = new Map(readFileSync('/etc/group', 'utf8').split('\n').map((line) => line.split(':')).map(([name, , gid]) => [name, Number(gid)]));

/** A node by its kind: numbers come again in any order, and a network interface has a name of udev's choice. */
const kindOf = ({ subsystem, name }) => (subsystem === 'net' ? 'net' : `${subsystem}/${name.replace(/^sd\w$/, 'sd').replaceAll(/\d+/g, '#')}`);
const isOf = (pid) => ({ value }) => (value?.device ?? value)?.vendorId === MALFORMED_VID && (value.device ?? value).productId === pid;

describe('readiness of composite and of malformed devices in a real kernel', () => {
  let readyBed;
  let bed;
  let observer;

  beforeAll(async () => {
    const modules = ['cdc_acm', 'cdc_ether', 'cdc_ncm', 'snd_usb_audio'];
    readyBed = await openReadyBed({ controllers: CONTROLLERS, gadgets: true, modules });
    ({ bed, observer } = readyBed);
  }, 120_000);
  afterAll(() => readyBed?.close());

  /** Plugs one of a kind, and judges what is told of it. */
  async function once(kind, plug, serial) {
    const expected = KINDS[kind];
    const { handle, ready } = await readyBed.plugged(() => expected.plug(bed, serial, plug), kind);
    const { device, interfaces, nodes } = ready.value;
    expect(ready.value, kind).toMatchObject({ isReady: true, obstacles: [], capabilities: expected.capabilities });
    expect(ready.opened.filter(({ failure }) => failure), kind).toEqual([]);
    expect(interfaces.map(({ driver }) => driver), kind).toEqual(expected.drivers);
    const [own, ...others] = nodes;
    expect([own.name, own.interface], kind).toEqual([handle.name, undefined]);
    expect(others.map(kindOf), kind).toEqual(expected.nodes);
    for (const node of others.filter(({ subsystem }) => GROUPS[subsystem])) {
      expect([node.mode, node.gid], node.path).toEqual([0o660, groups.get(GROUPS[node.subsystem])]);
    }
    expect(device.location.portPath).toBe(handle.port);
    // Of one whose drivers probe for long, the strings may not be had in time.
    if (!device.partial) expect(device).toMatchObject({ serialNumber: serial, identity: 'serial' });
    return { handle, ready };
  }

  it(`comes when each node can be opened by those whom it belongs to, ${EACH} times for each of ${Object.keys(KINDS).length} kinds`, async () => {
    const plugs = Array.from({ length: EACH }, () => Object.keys(KINDS)).flat();
    let [next, opened, slowest, whole] = [0, 0, 0, 0];
    await Promise.all(
      Array.from({ length: LANES }, async () => {
        for (let plug = next++; plug < plugs.length; plug = next++) {
          const { handle, ready } = await once(plugs[plug], Math.floor(plug / Object.keys(KINDS).length), `COMPOSITE-${plug}`);
          opened += ready.opened.length;
          whole += ready.value.device.partial ? 0 : 1;
          slowest = Math.max(slowest, ready.value.elapsedMs);
          await readyBed.pulled(handle);
        }
      }),
    );
    expect(whole).toBeGreaterThan(0);
    console.log(`${plugs.length} plugs, ${opened} nodes opened, the slowest ready after ${slowest.toFixed(0)} ms`);
  }, EACH * Object.keys(KINDS).length * PLUG_LIMIT_MS);

  it('is told once of each of them, after the attach and before the detach', () => {
    expect(new Set(checkOrder(observer.said))).toEqual(new Set([1]));
  });

  it('says nothing of what the gadget itself has, and knows the unit on whatever port', async () => {
    const plug = (functions, controller, serial) => readyBed.plugged(() => bed.plugGadget({ functions, controller, strings: ['Maker', 'Gadget', serial] }));
    const [named, nameless] = await Promise.all([plug(['hid', 'acm'], 0, 'MOVES'), plug(['hid', 'acm'], 1)]);
    // Both ends are in this guest: these are those of the gadgets.
    const own = await saidBy(bed, 'ls /dev/hidg0 /dev/hidg1 /dev/ttyGS0 /dev/ttyGS1');
    const paths = [named, nameless].flatMap(({ ready }) => ready.value.nodes.map(({ path }) => path));
    expect(own.trim().split('\n').filter((path) => paths.includes(path))).toEqual([]);
    const tty = named.ready.value.nodes.find(({ subsystem }) => subsystem === 'tty');
    expect(tty.links.join(' ')).toMatch(/by-id\/usb-Maker_Gadget_MOVES-if01.* .*by-path\/platform-dummy_hcd\.0-usb-0:1:1\.1/);
    await expectIds([named, nameless], ['1d6b:0104:MOVES', '1d6b:0104@dummy_hcd.1-usb2-1']);
    const moved = await Promise.all([plug(['hid'], 1, 'MOVES'), plug(['hid'], 0)]);
    await expectIds(moved, ['1d6b:0104:MOVES', '1d6b:0104@dummy_hcd.0-usb2-1']);
  }, 4 * PLUG_LIMIT_MS);

  /** By what these are known, and where they are, in events as in a list; pulls them. */
  async function expectIds(plugs, ids) {
    const { stdout } = await bed.exec([process.execPath, cli, 'list', '--json']);
    const listed = stdout.trim().split('\n').map((line) => JSON.parse(line));
    for (const [at, { handle, ready }] of plugs.entries()) {
      const { location, stableId, capabilities, partial } = ready.value.device;
      expect(location).toEqual({ busNumber: handle.busnum, deviceAddress: handle.devnum, portPath: '1' });
      expect(listed.find((each) => each.location.busNumber === handle.busnum && each.location.deviceAddress === handle.devnum)).toMatchObject({ capabilities, location, stableId: ids[at] });
      if (!partial) expect(stableId).toBe(ids[at]);
      await readyBed.pulled(handle);
    }
  }

  describe('of a device that', () => {
    const names = Object.keys(TAKEN);
    const late = new Map();
    let handles;

    beforeAll(async () => {
      const descriptions = names.map((name, pid) => ({ ...TAKEN[name].device, deviceDescriptor: { vid: MALFORMED_VID, pid } }));
      handles = [];
      for (const description of descriptions) handles.push(await bed.plugSynthetic(description));
      for (const handle of handles) await bed.settle(handle, 'bind', PLUG_LIMIT_MS);
      await saidBy(bed, 'udevadm settle');
      // Finds them when it starts, all that will ever come having come, and soon says what stands in the way.
      const second = await openingAll(bed, { ...config, ready: { timeout_ms: 3_000 } });
      await second.ask('start');
      for (const [pid, name] of names.entries()) {
        late.set(name, await second.waitFor((line) => line.event === 'device:ready' && isOf(pid)(line), name, { timeoutMs: PLUG_LIMIT_MS }));
      }
      await second.ask('stop');
      second.endInput();
    }, 240_000);

    it.each(names)('%s: says what there is, and what stands in the way', (name) => {
      const { interfaces, reasons = [] } = TAKEN[name];
      const { value, opened } = late.get(name);
      expect([value.isReady, reasonsOf({ value })], JSON.stringify(value.obstacles)).toEqual([reasons.length === 0, reasons]);
      expect(value.interfaces.map((each) => each.class)).toEqual(interfaces);
      // Its own node, which is whose it should be whatever else is amiss.
      expect([value.nodes.map(({ name: node }) => node), opened.map(({ failure }) => failure)]).toEqual([[handles[names.indexOf(name)].name], [undefined]]);
    });

    it('is malformed: tells once that it has come and that it has gone, and that it is ready only where nothing stands in the way', async () => {
      for (const handle of handles) await readyBed.pulled(handle);
      for (const [pid, name] of names.entries()) {
        const { reasons } = TAKEN[name];
        const readies = observer.said.filter((line) => line.event === 'device:ready' && isOf(pid)(line));
        const others = observer.said.filter((line) => line.event !== 'device:ready' && isOf(pid)(line));
        expect(others.map(({ event }) => event), name).toEqual(['device:attach', 'device:detach']);
        // Of one that is not, it may be told what stands in the way, if that has taken so long.
        expect(readies.map(reasonsOf), name).toEqual(reasons ? readies.map(() => reasons) : [[]]);
        if (reasons) continue;
        const { interfaces, nodes } = readies[0].value;
        expect({ interfaces, nodes }, name).toEqual({ interfaces: late.get(name).value.interfaces, nodes: late.get(name).value.nodes });
      }
    });
  });

  it('says nothing of a device that the kernel refuses', async () => {
    const since = observer.said.length;
    const refusals = async () => Number(await saidBy(bed, 'dmesg | grep -c "unable to enumerate USB device" || true'));
    const before = await refusals();
    const handles = [];
    for (const description of Object.values(REFUSED)) handles.push(await bed.plugSynthetic(description));
    await until(async () => (await refusals()) >= before + handles.length, 'the kernel to refuse all of them', { timeoutMs: REFUSALS_MS });
    for (const handle of handles) await bed.unplug(handle);
    // One more that comes and goes: whatever was to be told before is told by then.
    const { handle, ready } = await readyBed.plugged(() => bed.plugSynthetic({}));
    await readyBed.pulled(handle);
    const said = observer.said.slice(since).filter(({ event }) => event?.startsWith('device:'));
    expect(said.map((line) => [line.event, addressOf(line)])).toEqual(['attach', 'ready', 'detach'].map((event) => [`device:${event}`, addressOf(ready)]));
  }, 2 * REFUSALS_MS);
});
