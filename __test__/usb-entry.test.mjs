// The entry /usb: npm usb 2's watching side, over simulated devices and a list that the test writes.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openDaemon, packageRoot } from './daemon.mjs';
import { installPeer } from './peer-usb2.mjs';

const require = createRequire(import.meta.url);
const required = require('@autoweave/usb-daemon/usb');
const { createEntry } = require(`${packageRoot}js/usb/entry.js`);
const { parse } = require(`${packageRoot}js/usb/configuration.js`);
const peer = require(await installPeer());

const KEYBOARD = { name: '201-1', vendorId: 0x046d, productId: 0xc31c, manufacturer: 'Logitech', product: 'Keyboard', serialNumber: 'K1' };

/** A device as `listDevices` gives it. */
function listed({ bus = 1, address = 2, portPath = '1', vendorId = 0x1234, productId = 0x5678, ...rest } = {}) {
  const deviceDescriptor = { bLength: 18, bcdUSB: 0x0200, idVendor: vendorId, idProduct: productId, iManufacturer: 1, iProduct: 2, iSerialNumber: 3 };
  return { vendorId, productId, deviceDescriptor, location: { busNumber: bus, deviceAddress: address, portPath }, ...rest };
}

/** An entry whose daemons are simulated; `daemons` are those that it has opened. */
function openEntry({ list, config } = {}) {
  const daemons = [];
  const entry = createEntry({
    openDaemon: () => {
      daemons.push(openDaemon(config));
      return daemons.at(-1);
    },
    listDevices: list,
  });
  onTestFinished(() => void entry.usb.removeAllListeners());
  const heard = [];
  for (const event of ['attach', 'detach']) entry.usb.on(event, (device) => heard.push({ event, device }));
  return { ...entry, daemons, heard, started: () => daemons.at(-1).heard.waitFor('started') };
}

const events = (heard) => heard.map(({ event, device }) => `${event} ${device.portNumbers ?? 'root'}`);

describe('the module', () => {
  it('has each export of npm usb 2, and the same numbers', () => {
    expect(Object.keys(required)).toEqual(expect.arrayContaining(Object.keys(peer)));
    const ours = Object.getOwnPropertyNames(required.usb);
    const theirs = Object.getOwnPropertyNames(peer.usb).filter((name) => !name.startsWith('_'));
    expect(ours).toEqual(expect.arrayContaining(theirs));
    const numbers = (usb) => Object.fromEntries(Object.entries(usb).filter(([name]) => name.startsWith('LIBUSB_')));
    expect(numbers(required.usb)).toEqual(numbers(peer.usb));
  });

  it('has each public method of npm usb 2 on devices, interfaces and endpoints', () => {
    const own = ['refresh', 'startPollTransfers'];
    for (const name of ['Device', 'Interface', 'Endpoint', 'InEndpoint', 'OutEndpoint']) {
      const methods = Object.getOwnPropertyNames(peer[name].prototype).filter((method) => !method.startsWith('__') && !own.includes(method));
      for (const method of methods) expect(method in required[name].prototype, `${name}.${method}`).toBe(true);
    }
  });

  it('gives the same things to import and require, by name, as default and as a namespace', () => {
    // In a process of its own: vitest gives modules a second life.
    const program = `
      import whole, * as named from '@autoweave/usb-daemon/usb';
      import { createRequire } from 'node:module';
      const required = createRequire(process.cwd() + '/x')('@autoweave/usb-daemon/usb');
      const same = Object.entries(required).map(([name, value]) => [name, named[name] === value]);
      console.log(JSON.stringify({ whole: whole === required, ...Object.fromEntries(same) }));
    `;
    const same = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: packageRoot, encoding: 'utf8' }));
    expect(Object.entries(same).filter(([, isSame]) => !isSame)).toEqual([]);
    expect(Object.keys(same)).toEqual(expect.arrayContaining(['whole', 'default', 'usb', 'getDeviceList']));
  });

  it('is in the package, with its types', () => {
    const { exports } = require('@autoweave/usb-daemon/package.json');
    const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: packageRoot, encoding: 'utf8' }));
    const packed = files.map(({ path }) => `./${path}`);
    const targets = Object.values(exports['./usb']).flatMap((conditions) => Object.values(conditions));
    expect(targets).toHaveLength(4);
    expect(packed).toEqual(expect.arrayContaining([...targets, './js/usb/entry.js']));
  });

  it('takes a listener on the module itself, as npm usb 1 and AutoWeave have it', async () => {
    const { on, off, usb } = openEntry();
    const listener = () => {};
    expect(on('attach', listener)).toBe(usb);
    expect(usb.listeners('attach')).toContain(listener);
    off('attach', listener);
    expect(usb.listeners('attach')).not.toContain(listener);
  });

  it('has switches that need no doing', () => {
    expect(required.useUsbDkBackend()).toBeUndefined();
    expect(required.usb.setDebugLevel(4)).toBeUndefined();
    expect(required.usb.INIT_ERROR).toBe(0);
  });
});

describe('attach and detach', () => {
  it('come with one and the same object, which a list gives as well', async () => {
    let present = [];
    const { daemons, heard, started, getDeviceList } = openEntry({ list: () => present });
    await started();
    daemons[0].simulateAttach(KEYBOARD);
    await vi.waitUntil(() => heard.length === 1);
    present = daemons[0].getConnectedDevices();
    const [device] = getDeviceList();
    expect(device).toBe(heard[0].device);
    present = [];
    daemons[0].simulateDetach('201-1');
    await vi.waitUntil(() => heard.length === 2);
    expect(heard[1]).toEqual({ event: 'detach', device: heard[0].device });
    expect(heard[1].device).toBe(device);
    daemons[0].simulateAttach(KEYBOARD);
    await vi.waitUntil(() => heard.length === 3);
    expect(heard[2].device).not.toBe(device);
  });

  it('are followed by the IDs alone', async () => {
    const { daemons, started, usb } = openEntry();
    const order = [];
    for (const event of ['attach', 'attachIds', 'detach', 'detachIds']) usb.on(event, (argument) => order.push({ event, argument }));
    await started();
    daemons[0].simulateAttach(KEYBOARD);
    daemons[0].simulateDetach('201-1');
    await vi.waitUntil(() => order.length === 4);
    expect(order.map(({ event }) => event)).toEqual(['attach', 'attachIds', 'detach', 'detachIds']);
    expect(order[1].argument).toEqual({ idVendor: 0x046d, idProduct: 0xc31c });
    expect(order[3].argument).toEqual({ idVendor: 0x046d, idProduct: 0xc31c });
  });

  it('are not told of what was present when the first listener came', async () => {
    const stays = listed({ address: 5 });
    const { daemon, heard } = scripted([stays]);
    daemon.emit('device:attach', { ...stays, synthetic: 'startup' });
    daemon.emit('started');
    expect(heard).toEqual([]);
    daemon.emit('device:detach', stays);
    expect(events(heard)).toEqual(['detach 1']);
  });

  it('are told of what came and left between the first listener and the start', async () => {
    const [left, came] = [listed({ address: 5 }), listed({ address: 6, portPath: '2' })];
    const { daemon, heard } = scripted([left]);
    daemon.emit('device:attach', { ...came, synthetic: 'startup' });
    daemon.emit('started');
    expect(events(heard)).toEqual(['attach 2', 'detach 1']);
  });

  it('are told once where a device is in the list already and its uevent comes after', async () => {
    const both = listed({ address: 5 });
    const { daemon, heard } = scripted([both]);
    daemon.emit('device:attach', both);
    daemon.emit('started');
    expect(heard).toEqual([]);
  });

  it('reach the other listeners where one throws', async () => {
    const { daemon, usb } = scripted([]);
    const uncaught = [];
    const listeners = process.rawListeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => uncaught.push(error.message));
    onTestFinished(() => {
      process.removeAllListeners('uncaughtException');
      for (const listener of listeners) process.on('uncaughtException', listener);
    });
    const heard = [];
    usb.prependListener('attach', () => {
      throw new Error('mine');
    });
    usb.on('attach', () => heard.push('second'));
    daemon.emit('device:attach', listed());
    await vi.waitUntil(() => uncaught.length > 0);
    expect([heard, uncaught]).toEqual([['second'], ['mine']]);
  });
});

/** An entry over a daemon that says only what the test makes it say; `present` is listed when the first listener comes. */
function scripted(present) {
  const { EventEmitter } = require('node:events');
  const daemon = Object.assign(new EventEmitter(), { calls: [] });
  for (const name of ['start', 'stop']) daemon[name] = async () => void daemon.calls.push(name);
  for (const name of ['ref', 'unref']) daemon[name] = () => void daemon.calls.push(name);
  const { usb } = createEntry({ openDaemon: () => daemon, listDevices: () => present });
  const heard = [];
  for (const event of ['attach', 'detach']) usb.on(event, (device) => heard.push({ event, device }));
  return { daemon, heard, usb };
}

describe('the daemon behind it', () => {
  it('runs while there is a listener for attach or detach, and is another one after that', async () => {
    const { daemons, started, usb } = openEntry();
    await started();
    expect(daemons).toHaveLength(1);
    usb.removeAllListeners();
    await daemons[0].heard.waitFor('stopped');
    usb.on('attachIds', () => {});
    usb.on('error', () => {});
    expect(daemons).toHaveLength(1);
    usb.once('detach', () => {});
    await started();
    expect(daemons).toHaveLength(2);
  });

  it('goes on where a listener that was alone sets up the next one', async () => {
    const { daemons, started, usb } = openEntry();
    await started();
    usb.removeAllListeners();
    const next = () => new Promise((resolve) => usb.once('attach', resolve));
    const first = next();
    daemons[0].simulateAttach(KEYBOARD);
    await first;
    const second = next();
    daemons[0].simulateAttach({ ...KEYBOARD, name: '201-2' });
    expect((await second).portNumbers).toEqual([2]);
    expect(daemons).toHaveLength(1);
  });

  it('lets the process go, and holds it again, only while there are listeners', () => {
    const { daemon, usb } = scripted([]);
    usb.unrefHotplugEvents();
    usb.refHotplugEvents();
    expect(daemon.calls).toEqual(['start', 'unref', 'ref']);
    usb.removeAllListeners('attach').removeAllListeners('detach');
    expect(daemon.calls.splice(3)).toEqual(['unref']);
    usb.refHotplugEvents();
    expect(daemon.calls).toHaveLength(3);
  });

  it('tells errors to those who listen for them', async () => {
    const { daemon, usb } = scripted([]);
    daemon.emit('error', new Error('nobody listens'), 'netlink');
    const heard = [];
    usb.on('error', (error) => heard.push(error.message));
    daemon.emit('error', new Error('a source'), 'netlink');
    expect(heard).toEqual(['a source']);
  });

  it('is named in a warning where it cannot start and nobody listens for errors', async () => {
    const warning = new Promise((resolve) => process.once('warning', resolve));
    const failure = Object.assign(new Error('no thread'), { code: 'ERR_USB_SYSTEM' });
    const { EventEmitter } = require('node:events');
    const daemon = Object.assign(new EventEmitter(), { start: () => Promise.reject(failure), ref() {}, unref() {} });
    const { usb } = createEntry({ openDaemon: () => daemon, listDevices: () => [] });
    usb.on('attach', () => {});
    expect(await warning).toBe(failure);
  });
});

describe('a list', () => {
  it('is taken at the moment of the call, and gives each device the object that it had', () => {
    const list = vi.fn(() => [listed(), listed({ address: 3, portPath: '2' })]);
    const { getDeviceList } = createEntry({ listDevices: list });
    const first = getDeviceList();
    expect(first.map(({ deviceAddress }) => deviceAddress)).toEqual([2, 3]);
    list.mockReturnValue([listed({ address: 3, portPath: '2' })]);
    expect(getDeviceList()).toEqual([first[1]]);
    expect(getDeviceList()[0]).toBe(first[1]);
  });

  it('is searched by IDs and by serial number', async () => {
    const wanted = listed({ address: 3, vendorId: 7, productId: 8, serialNumber: 'SN' });
    const { findByIds, findBySerialNumber, getDeviceList } = createEntry({ listDevices: () => [listed(), wanted] });
    expect(findByIds(7, 8)).toBe(getDeviceList()[1]);
    expect(findByIds(7, 9)).toBeUndefined();
    expect(await findBySerialNumber('SN')).toBe(getDeviceList()[1]);
    expect(await findBySerialNumber('other')).toBeUndefined();
    expect(await findBySerialNumber(undefined)).toBeUndefined();
  });

  it('is empty where the addon cannot give one', () => {
    expect(createEntry({}).getDeviceList()).toEqual([]);
  });
});

describe('a device', () => {
  const device = (info, others = []) => createEntry({ listDevices: () => [listed(info), ...others] }).getDeviceList()[0];

  it('has the fields of npm usb 2, read-only and in its order', () => {
    const root = device({ portPath: '0', address: 1 });
    expect(Object.keys(root)).toEqual(['busNumber', 'deviceAddress', 'deviceDescriptor']);
    const leaf = device({ portPath: '4.2' });
    expect(Object.keys(leaf)).toEqual(['busNumber', 'deviceAddress', 'deviceDescriptor', 'portNumbers']);
    expect(leaf.portNumbers).toEqual([4, 2]);
    expect(leaf).toBeInstanceOf(required.Device);
    expect(leaf.timeout).toBe(1000);
    expect(() => Object.assign(leaf, { busNumber: 9 })).toThrow(TypeError);
    expect(structuredClone(leaf).deviceDescriptor.idVendor).toBe(0x1234);
  });

  it('knows the hub that it hangs on, and a root hub knows none', () => {
    const tree = [listed({ address: 3, portPath: '4' }), listed({ address: 1, portPath: '0' }), listed({ bus: 2, address: 1, portPath: '0' })];
    const leaf = device({ portPath: '4.2' }, tree);
    expect(leaf.parent.portNumbers).toEqual([4]);
    expect(leaf.parent.parent).toMatchObject({ busNumber: 1, deviceAddress: 1 });
    expect(leaf.parent.parent.parent).toBeNull();
    expect(device({ portPath: '4.2' }).parent).toBeNull();
  });

  it('gives its strings later, none at once for index 0, and what a device says to an index that it does not have', async () => {
    const known = device({ manufacturer: 'Maker', product: 'Thing' });
    const get = promisify(known.getStringDescriptor).bind(known);
    const calls = [];
    known.getStringDescriptor(0, (...args) => calls.push(args));
    known.getStringDescriptor(1, (...args) => calls.push(args));
    expect(calls).toEqual([[]]);
    expect(await get(1)).toBe('Maker');
    expect(await get(2)).toBe('Thing');
    for (const index of [3, 9]) {
      await expect(get(index)).rejects.toMatchObject({ errno: required.usb.LIBUSB_TRANSFER_STALL });
      await expect(get(index)).rejects.toBeInstanceOf(required.LibUSBException);
    }
  });

  it('opens and closes without touching anything, as often as one likes', () => {
    const known = device({});
    known.close();
    known.open();
    known.open(false);
    expect(known.interfaces).toEqual([]);
    known.close();
    expect(known.interfaces).toBeUndefined();
    expect(known.configDescriptor).toBeUndefined();
    expect(known.allConfigDescriptors).toEqual([]);
  });

  it('has no binary object store to ask for before USB 2.0.1', () => {
    const answers = [];
    device({}).getBosDescriptor((...args) => answers.push(args));
    device({}).getCapabilities((...args) => answers.push(args));
    expect(answers).toEqual([[undefined, undefined], [undefined, []]]);
    const newer = device({ deviceDescriptor: { ...listed().deviceDescriptor, bcdUSB: 0x0210 } });
    expect(() => newer.getCapabilities(() => {})).toThrow(/controlTransfer/);
  });

  it('refuses what would touch it, by a code, and says what to use instead', () => {
    const known = device({});
    for (const name of ['controlTransfer', 'interface', 'reset', 'setConfiguration', 'setAutoDetachKernelDriver']) {
      expect(() => known[name](), name).toThrow(expect.objectContaining({ code: 'ERR_USB_NO_TRANSFER', message: expect.stringContaining(`device.${name}()`) }));
    }
    expect(() => known.reset()).toThrow(/take npm "usb" beside it/);
    for (const use of [
      () => new required.Transfer(),
      () => new required.Capability(),
      () => new required.WebUSB(),
      () => new required.WebUSBDevice(),
      () => required.getWebUsb(),
      () => required.webusb.getDevices(),
      () => required.webusb.addEventListener('connect', () => {}),
      () => void (required.webusb.onconnect = () => {}),
    ]) {
      expect(use).toThrow(expect.objectContaining({ code: 'ERR_USB_NO_TRANSFER' }));
    }
  });
});

describe('configuration descriptors', () => {
  const DEVICE = '12010002000000406d041cc30001010203' + '01';
  const bytes = (...hex) => Buffer.from(DEVICE + hex.join(''), 'hex');
  const CONFIGURATION = '09022200010100a032';
  const HID = ['0904000001030101 00', '09211001000122 4100', '0705810308000a'].map((hex) => hex.replace(' ', ''));

  it('are shaped as npm usb 2 shapes them', () => {
    const [configuration, ...others] = parse(bytes(CONFIGURATION, ...HID));
    expect(others).toEqual([]);
    expect(configuration).toMatchObject({ wTotalLength: 34, bNumInterfaces: 1, bConfigurationValue: 1, bmAttributes: 0xa0, bMaxPower: 50 });
    const [[setting]] = configuration.interfaces;
    expect(setting).toMatchObject({ bInterfaceNumber: 0, bInterfaceClass: 3, bInterfaceSubClass: 1, bInterfaceProtocol: 1 });
    expect(setting.extra).toEqual(Buffer.from(HID[1], 'hex'));
    expect(setting.endpoints).toMatchObject([{ bEndpointAddress: 0x81, bmAttributes: 3, wMaxPacketSize: 8, bInterval: 10, bRefresh: 0 }]);
  });

  it('keep alternate settings together, and what follows a configuration with it', () => {
    const association = '080b000201000000';
    const settings = ['090400000001010000', '090401000001020000', '090401010001020000'];
    const [configuration] = parse(bytes(CONFIGURATION, association, ...settings));
    expect(configuration.extra).toEqual(Buffer.from(association, 'hex'));
    expect(configuration.interfaces.map((of) => of.map(({ bAlternateSetting }) => bAlternateSetting))).toEqual([[0], [0, 1]]);
  });

  it('end where the bytes stop making sense', () => {
    for (const damaged of ['00', '0001', '01ff', 'ff04', '0904', '0504aabbcc', '0705810308000a']) {
      expect(parse(bytes(damaged)), damaged).toEqual([]);
      expect(parse(bytes(CONFIGURATION, damaged)), damaged).toHaveLength(1);
    }
    expect(parse(Buffer.alloc(0))).toEqual([]);
    expect(parse(bytes(...HID))).toEqual([]);
  });
});
