// The entry /usb: lists, and what a device says of itself without being touched.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { packageRoot } from './daemon.mjs';
import { listed } from './listed.mjs';

const require = createRequire(import.meta.url);
const required = require('@autoweave/usb-daemon/usb');
const { createEntry } = require(`${packageRoot}js/usb/entry.js`);
const { activeOf, configurationsOf, parse } = require(`${packageRoot}js/usb/configuration.js`);

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

  it.each([{ vendorId: 1 }, { productId: 1 }, { portPath: '2' }])('gives another object where another device has the address: %j', (other) => {
    const list = vi.fn(() => [listed()]);
    const { getDeviceList } = createEntry({ listDevices: list });
    const [first] = getDeviceList();
    list.mockReturnValue([listed(other)]);
    expect(getDeviceList()[0]).not.toBe(first);
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

describe('an interface', () => {
  const setting = { bInterfaceNumber: 3, endpoints: [0x81, 0x02].map((bEndpointAddress) => ({ bEndpointAddress, bmAttributes: 0x13 })) };
  const known = new required.Interface({ configDescriptor: { interfaces: [[setting]] } }, 0);

  it('says what it is, and which endpoints it has', () => {
    expect(known).toMatchObject({ id: 0, altSetting: 0, interfaceNumber: 3, descriptor: setting });
    expect(known.endpoints.map(({ address, direction, transferType, timeout }) => [address, direction, transferType, timeout])).toEqual([
      [0x81, 'in', 3, 0],
      [0x02, 'out', 3, 0],
    ]);
    expect(known.endpoints[0]).toBeInstanceOf(required.InEndpoint);
    expect(known.endpoint(0x02)).toBeInstanceOf(required.OutEndpoint);
    expect(known.endpoint(0x03)).toBeUndefined();
  });

  it('refuses what would touch the device, as do its endpoints', () => {
    const all = ['claim', 'release', 'releaseAsync', 'isKernelDriverActive', 'detachKernelDriver', 'attachKernelDriver', 'setAltSetting', 'setAltSettingAsync'];
    const of = { in: ['transfer', 'transferAsync', 'startPoll', 'stopPoll', 'clearHalt', 'makeTransfer'], out: ['transfer', 'transferAsync', 'transferWithZLP', 'clearHalt', 'makeTransfer'] };
    const refusals = [known, ...known.endpoints].flatMap((on) => (of[on.direction] ?? all).map((name) => [on, name]));
    for (const [on, name] of refusals) expect(() => on[name](), name).toThrow(expect.objectContaining({ code: 'ERR_USB_NO_TRANSFER' }));
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

  describe('in sysfs', () => {
    const second = CONFIGURATION.replace(/^(.{10})01/, '$102');
    const info = (portPath = '4.2', ids = {}) => listed({ bus: 1, address: 7, portPath, vendorId: 0x046d, productId: 0xc31c, ...ids });

    /** A tree with one device under `name`; gives where it is. */
    function tree(name, { devnum = '7', entries = [] } = {}) {
      const devices = mkdtempSync(join(tmpdir(), 'usb-daemon-sysfs-'));
      onTestFinished(() => rmSync(devices, { recursive: true }));
      for (const entry of ['', ...entries]) mkdirSync(join(devices, name, entry));
      writeFileSync(join(devices, name, 'descriptors'), bytes(CONFIGURATION, second));
      writeFileSync(join(devices, name, 'devnum'), `${devnum}\n`);
      return devices;
    }
    const values = (configurations) => configurations?.map(({ bConfigurationValue }) => bConfigurationValue);

    it('are found under the name of the port, and under that of the root hub', () => {
      expect(values(configurationsOf(info(), tree('1-4.2')))).toEqual([1, 2]);
      expect(values(configurationsOf(info('0'), tree('usb1')))).toEqual([1, 2]);
      expect(configurationsOf(info('4.3'), tree('1-4.2'))).toBeNull();
    });

    it('are not those of a device that has taken the place', () => {
      expect(configurationsOf(info(), tree('1-4.2', { devnum: '8' }))).toBeNull();
      expect(configurationsOf(info('4.2', { vendorId: 1 }), tree('1-4.2'))).toBeNull();
      expect(configurationsOf(info('4.2', { productId: 1 }), tree('1-4.2'))).toBeNull();
    });

    it('are in force as the interfaces say, and none is before that', () => {
      const active = (device, devices) => activeOf(configurationsOf(device, devices), device, devices)?.bConfigurationValue;
      expect(active(info(), tree('1-4.2', { entries: ['1-4.2:2.0', '1-4.2.1'] }))).toBe(2);
      expect(active(info('0'), tree('usb1', { entries: ['1-0:2.0'] }))).toBe(2);
      expect(active(info(), tree('1-4.2', { entries: ['1-4.2.1', '1-4.2.1:2.0'] }))).toBeUndefined();
      expect(activeOf(parse(bytes(CONFIGURATION)), info(), '/nowhere').bConfigurationValue).toBe(1);
    });
  });

  it('end where the bytes stop making sense', () => {
    for (const damaged of ['00', '0001', '01ff', 'ff04', '0904', '0504aabbcc', '0705810308000a']) {
      expect(parse(bytes(damaged)), damaged).toEqual([]);
      expect(parse(bytes(CONFIGURATION, damaged)).map(({ interfaces }) => interfaces), damaged).toEqual([[]]);
    }
    expect(parse(Buffer.alloc(0))).toEqual([]);
    expect(parse(bytes(...HID))).toEqual([]);
  });
});
