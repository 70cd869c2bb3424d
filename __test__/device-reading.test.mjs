// What may come as a device: what is made of good ones, and that bad ones are named and change nothing.

import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { usbObject } from './usb-objects.mjs';

const { readDevice: read, readIdentity } = createRequire(import.meta.url)('../js/device-reading.js');

/** Facts of a device that has no strings to be waited for. */
function readDevice(device) {
  let facts;
  read(device, (error, found) => {
    if (error) throw error;
    facts = found;
  });
  return facts;
}

const cyclic = {};
cyclic.self = cyclic;
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const revokedList = Proxy.revocable([], {});
revokedList.revoke();
const throwing = (name) => Object.defineProperty(usbObject(), name, { get: () => { throw new Error('no such luck'); } });
/** A list that says of its length what `lengthOf` gives. */
const long = (lengthOf) => new Proxy([1], { get: (target, key) => (key === 'length' ? lengthOf() : Reflect.get(target, key)) });
const endless = long(() => 1e9);
let asked = 0;
const growing = { valueOf: () => (asked++ ? Infinity : 0) };
const valueless = { valueOf: () => { throw new Error('no value'); } };
const silent = new Proxy({}, { get: () => { throw new Error('a proxy'); } });
const within = (path) => `device.deviceDescriptor.${path}`;

const BAD = [
  ['nothing', undefined, 'device is undefined: expected an object'],
  ['null', null, 'device is null: expected an object'],
  ['a text', 'usb', 'device is "usb": expected an object'],
  ['a function', () => {}, 'device is a function: expected an object'],
  ['an object without anything', {}, 'device.deviceDescriptor is undefined: expected an object'],
  ['a cyclic object', cyclic, 'device.deviceDescriptor is undefined'],
  ['a cyclic descriptor', usbObject({ deviceDescriptor: cyclic }), `${within('idVendor')} is undefined: expected a whole number from 0 to 65535`],
  ['a revoked proxy', revoked.proxy, 'device.deviceDescriptor cannot be read'],
  ['a proxy that throws', silent, 'device.deviceDescriptor cannot be read: a proxy'],
  ['a proxy as descriptor that throws', usbObject({ deviceDescriptor: silent }), `${within('bLength')} cannot be read: a proxy`],
  ['a getter that throws', throwing('busNumber'), 'device.busNumber cannot be read: no such luck'],
  ['a getter of ports that throws', throwing('portNumbers'), 'device.portNumbers cannot be read'],
  ['a negative ID', usbObject({}, { idVendor: -1 }), `${within('idVendor')} is -1: expected a whole number from 0 to 65535`],
  ['an ID too large', usbObject({}, { idProduct: 65536 }), `${within('idProduct')} is 65536`],
  ['a fractional ID', usbObject({}, { idVendor: 1.5 }), `${within('idVendor')} is 1.5`],
  ['an ID as text', usbObject({}, { idVendor: '0x04a9' }), `${within('idVendor')} is "0x04a9"`],
  ['an ID that is no number', usbObject({}, { idVendor: NaN }), `${within('idVendor')} is NaN`],
  ['an endless ID', usbObject({}, { idVendor: Infinity }), `${within('idVendor')} is Infinity`],
  ['an ID as BigInt', usbObject({}, { idVendor: 1n }), `${within('idVendor')} is a BigInt`],
  ['a symbol for a class', usbObject({}, { bDeviceClass: Symbol('x') }), `${within('bDeviceClass')} is a symbol`],
  ['a class of two bytes', usbObject({}, { bDeviceClass: 256 }), `${within('bDeviceClass')} is 256: expected a whole number from 0 to 255`],
  ['null for an ID', usbObject({}, { idVendor: null }), `${within('idVendor')} is null`],
  ['null for a bus', usbObject({ busNumber: null }), 'device.busNumber is null'],
  ['null for a port', usbObject({ portNumbers: [1, null] }), 'device.portNumbers[1] is null'],
  ['no bus', usbObject({ busNumber: undefined }), 'device.busNumber is undefined'],
  ['a negative bus', usbObject({ busNumber: -1 }), 'device.busNumber is -1'],
  ['a fractional address', usbObject({ deviceAddress: 0.1 }), 'device.deviceAddress is 0.1'],
  ['an object that would be a number', usbObject({ deviceAddress: { valueOf: () => 1 } }), 'device.deviceAddress is an object'],
  ['ports as text', usbObject({ portNumbers: '4.2' }), 'device.portNumbers is "4.2": expected a list of 7 at most'],
  ['a port of 0', usbObject({ portNumbers: [1, 0] }), 'device.portNumbers[1] is 0: expected a whole number from 1 to 255'],
  ['a hole in the ports', usbObject({ portNumbers: [1, , 2] }), 'device.portNumbers[1] is undefined'], // eslint-disable-line no-sparse-arrays
  ['too many ports', usbObject({ portNumbers: Array(8).fill(1) }), 'device.portNumbers.length is 8: expected a list of 7 at most'],
  ['a list without end', usbObject({ portNumbers: endless }), 'device.portNumbers.length is 1000000000'],
  ['a length that has no value', usbObject({ portNumbers: long(() => valueless) }), 'device.portNumbers.length is an object: expected a list of 7 at most'],
  ['a length that grows', usbObject({ portNumbers: long(() => growing) }), 'device.portNumbers.length is an object'],
  ['a symbol for a length', usbObject({ portNumbers: long(() => Symbol('x')) }), 'device.portNumbers.length is a symbol'],
  ['a negative length', usbObject({ portNumbers: long(() => -1) }), 'device.portNumbers.length is -1'],
  ['a fractional length', usbObject({ portNumbers: long(() => 1.5) }), 'device.portNumbers.length is 1.5'],
  ['a length that is no number', usbObject({ interfaces: long(() => NaN) }), 'device.interfaces.length is NaN: expected a list of 255 at most'],
  ['interfaces whose length is a text', usbObject({ interfaces: long(() => '1') }), 'device.interfaces.length is "1"'],
  ['a revoked list', usbObject({ portNumbers: revokedList.proxy }), 'device.portNumbers cannot be read'],
  ['a serial number of a megabyte', usbObject({ serialNumber: 'x'.repeat(1 << 20) }), 'device.serialNumber is a text of 1048576 characters: expected a text of 255 characters at most'],
  ['a product that is a number', usbObject({ product: 7 }), 'device.product is 7'],
  ['open that is no function', usbObject({ open: true }), 'device.open is true: expected a function'],
  ['strings that are no function', usbObject({ getStringDescriptor: {} }), 'device.getStringDescriptor is an object: expected a function'],
  ['a negative speed', usbObject({ speed: -1 }), 'device.speed is -1: expected Mbit/s'],
  ['interfaces as text', usbObject({ interfaces: 'hid' }), 'device.interfaces is "hid"'],
  ['an interface that is null', usbObject({ interfaces: [null] }), 'device.interfaces[0] is null: expected an object'],
  ['an interface class too large', usbObject({ interfaces: [{ class: 256 }] }), 'device.interfaces[0].class is 256'],
  ['a configuration that is a number', usbObject({ configDescriptor: 1 }), 'device.configDescriptor is 1: expected an object'],
  ['a bad class in a configuration', usbObject({ configDescriptor: { interfaces: [[{ bInterfaceClass: -3 }]] } }), 'device.configDescriptor.interfaces[0][0].bInterfaceClass is -3'],
];

describe('a malformed device', () => {
  it.each(BAD)('is refused by name: %s', (_name, device, message) => {
    let refusal;
    try {
      readDevice(device);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toMatchObject({ code: 'ERR_USB_DEVICE', message: expect.stringContaining(message) });
    expect(refusal.message.length).toBeLessThan(400);
  });

  it('is named in few words though what it throws is a megabyte', () => {
    const device = Object.defineProperty(usbObject(), 'busNumber', { get: () => { throw new Error('x'.repeat(1 << 20)); } });
    expect(() => readDevice(device)).toThrow(/^device\.busNumber cannot be read: x{200}$/);
  });
});

describe('a device', () => {
  it('is copied with all 14 fields of its descriptor and its place', () => {
    const device = usbObject();
    const facts = readDevice(device);
    expect(facts).toEqual({ deviceDescriptor: device.deviceDescriptor, location: { busNumber: 1, deviceAddress: 7, portPath: '4.2' } });
    expect(facts.deviceDescriptor).not.toBe(device.deviceDescriptor);
  });

  it('may leave out of its descriptor all but its IDs', () => {
    const facts = readDevice(usbObject({ deviceDescriptor: { idVendor: 1, idProduct: 2 } }));
    expect(facts.deviceDescriptor).toEqual({
      bLength: 18, bDescriptorType: 1, bcdUSB: 0, bDeviceClass: 0, bDeviceSubClass: 0, bDeviceProtocol: 0, bMaxPacketSize0: 0,
      idVendor: 1, idProduct: 2, bcdDevice: 0, iManufacturer: 0, iProduct: 0, iSerialNumber: 0, bNumConfigurations: 0,
    });
  });

  it('may say null wherever it may say nothing', () => {
    const optional = Object.keys(usbObject().deviceDescriptor).filter((field) => !['idVendor', 'idProduct'].includes(field));
    const saying = (value) => usbObject({
      deviceDescriptor: { idVendor: 1, idProduct: 2, ...Object.fromEntries(optional.map((field) => [field, value])) },
      interfaces: [{ class: 3, subclass: value, protocol: value }, { class: value }],
      configDescriptor: { interfaces: [[{ bInterfaceClass: 8, bInterfaceSubClass: value, bInterfaceProtocol: value }]] },
      ...Object.fromEntries(['portNumbers', 'open', 'close', 'getStringDescriptor', 'manufacturer', 'product', 'serialNumber', 'speed'].map((name) => [name, value])),
    });
    expect(readDevice(saying(null))).toEqual(readDevice(saying(undefined)));
    const configured = (value) => readDevice({ ...saying(value), interfaces: value }).interfaces;
    expect(configured(null)).toEqual([{ class: 8, subclass: 0, protocol: 0 }]);
    expect(configured(undefined)).toEqual(configured(null));
  });

  it.each([[undefined], [null], [[]]])('is a root hub where its ports are %j', (portNumbers) => {
    expect(readDevice(usbObject({ portNumbers })).location.portPath).toBe('0');
  });

  it('is asked once for each thing', () => {
    const reads = {};
    const counting = (of, path) => new Proxy(of, {
      get(target, key) {
        if (typeof key === 'string') reads[`${path}${key}`] = (reads[`${path}${key}`] ?? 0) + 1;
        const value = Reflect.get(target, key);
        return key === 'deviceDescriptor' ? counting(value, 'descriptor.') : value;
      },
    });
    readDevice(counting(usbObject({ product: 'Scanner' }), ''));
    expect(Object.entries(reads).filter(([, count]) => count > 1)).toEqual([]);
    expect(reads['descriptor.idVendor']).toBe(1);
  });

  it('may bring its texts and interfaces ready-made; half a character becomes a replacement', () => {
    const facts = readDevice(usbObject({
      manufacturer: 'Canon', product: 'LiDE \ud83d', serialNumber: null, speed: 1.5, interfaces: [{ class: 3, subclass: 1, protocol: 2 }, { class: 3, subclass: 1, protocol: 2 }, { class: 8 }],
    }));
    expect(facts).toMatchObject({ manufacturer: 'Canon', product: 'LiDE \ufffd', speed: 1.5 });
    expect(facts).not.toHaveProperty('serialNumber');
    expect(facts.interfaces).toEqual([{ class: 3, subclass: 1, protocol: 2 }, { class: 8, subclass: 0, protocol: 0 }]);
  });

  it('has the interfaces of its configuration, each kind once', () => {
    const setting = (cc) => ({ bInterfaceClass: cc, bInterfaceSubClass: 1, bInterfaceProtocol: 0, bInterfaceNumber: 0 });
    const facts = readDevice(usbObject({ configDescriptor: { interfaces: [[setting(14)], [setting(14), setting(1)]] } }));
    expect(facts.interfaces.map((found) => found.class)).toEqual([14, 1]);
  });

  it('that is not configured, where node-usb throws, has none', () => {
    expect(readDevice(throwing('configDescriptor'))).not.toHaveProperty('interfaces');
  });

  it('that has left is asked for no more than who it was', () => {
    const device = new Proxy(usbObject(), {
      get(target, key) {
        if (!['deviceDescriptor', 'busNumber', 'deviceAddress', 'portNumbers'].includes(key)) throw new Error(`asked for ${String(key)}`);
        return Reflect.get(target, key);
      },
    });
    expect(readIdentity(device).location).toEqual({ busNumber: 1, deviceAddress: 7, portPath: '4.2' });
  });
});
