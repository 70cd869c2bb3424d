'use strict';

// Reads a node-usb-like device: everything once, and nothing of it is trusted. What comes out is plain data.

const { coded, reasonOf } = require('./failure.js');
const { readStrings } = require('./device-strings.js');
const { checkedText, malformed } = require('./device-values.js');

const BYTE = 0xff;
const WORD = 0xffff;
/** USB allows five hubs below the root; node-usb gives up to seven ports. */
const DEEPEST = 7;
/** Interfaces or alternate settings in one list; a configuration has 32 at most. */
const LONGEST_LIST = 255;

/** The 14 fields: name, largest value, value where the object has none. An ID is never guessed. */
const DESCRIPTOR = [
  ['bLength', BYTE, 18],
  ['bDescriptorType', BYTE, 1],
  ['bcdUSB', WORD, 0],
  ['bDeviceClass', BYTE, 0],
  ['bDeviceSubClass', BYTE, 0],
  ['bDeviceProtocol', BYTE, 0],
  ['bMaxPacketSize0', BYTE, 0],
  ['idVendor', WORD, undefined],
  ['idProduct', WORD, undefined],
  ['bcdDevice', WORD, 0],
  ['iManufacturer', BYTE, 0],
  ['iProduct', BYTE, 0],
  ['iSerialNumber', BYTE, 0],
  ['bNumConfigurations', BYTE, 0],
];

const STRINGS = [
  ['manufacturer', 'iManufacturer'],
  ['product', 'iProduct'],
  ['serialNumber', 'iSerialNumber'],
];

/** What identifies a device: all that may be asked of one that has left. Throws ERR_USB_DEVICE. */
function readIdentity(device) {
  object(device, 'device');
  const descriptor = object(read(device, 'deviceDescriptor', 'device'), 'device.deviceDescriptor');
  const deviceDescriptor = {};
  for (const [name, most, fallback] of DESCRIPTOR) {
    deviceDescriptor[name] = number(descriptor, name, 'device.deviceDescriptor', most, fallback);
  }
  const busNumber = number(device, 'busNumber', 'device', WORD);
  const deviceAddress = number(device, 'deviceAddress', 'device', WORD);
  const portPath = readPortPath(read(device, 'portNumbers', 'device'));
  return { deviceDescriptor, location: { busNumber, deviceAddress, portPath } };
}

/**
 * All of a device that is there. Throws ERR_USB_DEVICE; what takes time comes later.
 *
 * @returns `{ facts, strings }`; `strings` is null where nothing has to be waited for, else a promise of further facts
 */
function readDevice(device) {
  const facts = readIdentity(device);
  const interfaces = readInterfaces(device);
  if (interfaces.length > 0) facts.interfaces = interfaces;
  const speed = read(device, 'speed', 'device');
  if (speed !== undefined && speed !== null) {
    if (!(Number.isFinite(speed) && speed > 0)) throw malformed('device.speed', speed, 'Mbit/s as a positive number');
    facts.speed = speed;
  }
  const wanted = [];
  for (const [name, index] of STRINGS) {
    const text = read(device, name, 'device');
    if (text !== undefined && text !== null) facts[name] = checkedText(text, `device.${name}`);
    else if (facts.deviceDescriptor[index] > 0) wanted.push([name, facts.deviceDescriptor[index]]);
  }
  const methods = {};
  for (const name of ['open', 'close', 'getStringDescriptor']) methods[name] = method(device, name);
  const asked = wanted.length > 0 && methods.getStringDescriptor;
  return { facts, strings: asked ? readStrings(device, methods, wanted) : null };
}

function readPortPath(ports) {
  if (ports === undefined || ports === null) return '0';
  const length = list(ports, 'device.portNumbers', DEEPEST);
  const path = [];
  for (let at = 0; at < length; at += 1) path.push(number(ports, at, 'device.portNumbers', BYTE, undefined, 1));
  return path.join('.') || '0';
}

/** Interface classes: ready-made ones, else those of node-usb's configuration descriptor. */
function readInterfaces(device) {
  const found = new Map();
  const add = (descriptor, path, names) => {
    const [cc, ss, pp] = names.map((name, at) => number(descriptor, name, path, BYTE, at > 0 ? 0 : undefined));
    found.set((cc << 16) | (ss << 8) | pp, { class: cc, subclass: ss, protocol: pp });
  };
  const readyMade = read(device, 'interfaces', 'device');
  if (readyMade !== undefined && readyMade !== null) {
    each(readyMade, 'device.interfaces', (entry, path) => {
      // node-usb's own interfaces are objects to talk to, and have no `class`.
      if (read(entry, 'class', path) !== undefined) add(entry, path, ['class', 'subclass', 'protocol']);
    });
    if (found.size > 0) return [...found.values()];
  }
  const configuration = configurationOf(device);
  if (configuration === undefined || configuration === null) return [];
  const path = 'device.configDescriptor.interfaces';
  const interfaces = read(object(configuration, 'device.configDescriptor'), 'interfaces', 'device.configDescriptor');
  if (interfaces === undefined || interfaces === null) return [];
  const names = ['bInterfaceClass', 'bInterfaceSubClass', 'bInterfaceProtocol'];
  each(interfaces, path, (settings, at) => each(settings, at, (setting, of) => add(setting, of, names)));
  return [...found.values()];
}

/** node-usb's getter asks libusb, and throws for a device that is not configured: that is no fault of the object's. */
function configurationOf(device) {
  try {
    return device.configDescriptor;
  } catch {
    return undefined;
  }
}

function each(value, path, visit) {
  const length = list(value, path, LONGEST_LIST);
  for (let at = 0; at < length; at += 1) {
    const entry = read(value, at, path);
    visit(object(entry, `${path}[${at}]`), `${path}[${at}]`);
  }
}

function list(value, path, most) {
  let isList = false;
  try {
    isList = Array.isArray(value);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  const length = isList ? read(value, 'length', path) : undefined;
  if (!isList || !(length <= most)) {
    throw malformed(path, isList ? `a list of ${String(length)}` : value, `a list of ${most} at most`, isList);
  }
  return length;
}

function number(from, key, parent, most, fallback, least = 0) {
  const value = read(from, key, parent);
  if (value === undefined && fallback !== undefined) return fallback;
  if (!Number.isInteger(value) || value < least || value > most) {
    throw malformed(pathOf(parent, key), value, `a whole number from ${least} to ${most}`);
  }
  return value;
}

function method(device, name) {
  const value = read(device, name, 'device');
  if (value !== undefined && value !== null && typeof value !== 'function') {
    throw malformed(`device.${name}`, value, 'a function');
  }
  return value ?? undefined;
}

function object(value, path) {
  if (typeof value !== 'object' || value === null) throw malformed(path, value, 'an object');
  return value;
}

function read(from, key, parent) {
  try {
    return from[key];
  } catch (cause) {
    throw unreadable(pathOf(parent, key), cause);
  }
}

function pathOf(parent, key) {
  return typeof key === 'number' ? `${parent}[${key}]` : `${parent}.${key}`;
}

function unreadable(path, cause) {
  return coded('ERR_USB_DEVICE', `${path} cannot be read: ${reasonOf(cause).slice(0, 200)}`, { cause });
}

module.exports = { readDevice, readIdentity };
