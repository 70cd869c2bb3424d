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

/** What identifies a device: all that may be asked of one that has left. Throws ERR_USB_DEVICE. */
function readIdentity(device) {
  object(device, 'device');
  const descriptor = object(read(device, 'deviceDescriptor', 'device'), 'device.deviceDescriptor');
  const byte = (name, fallback = 0) => number(descriptor, name, 'device.deviceDescriptor', BYTE, fallback);
  const word = (name, fallback) => number(descriptor, name, 'device.deviceDescriptor', WORD, fallback);
  const deviceDescriptor = {
    bLength: byte('bLength', 18),
    bDescriptorType: byte('bDescriptorType', 1),
    bcdUSB: word('bcdUSB', 0),
    bDeviceClass: byte('bDeviceClass'),
    bDeviceSubClass: byte('bDeviceSubClass'),
    bDeviceProtocol: byte('bDeviceProtocol'),
    bMaxPacketSize0: byte('bMaxPacketSize0'),
    // An ID is never guessed.
    idVendor: word('idVendor'),
    idProduct: word('idProduct'),
    bcdDevice: word('bcdDevice', 0),
    iManufacturer: byte('iManufacturer'),
    iProduct: byte('iProduct'),
    iSerialNumber: byte('iSerialNumber'),
    bNumConfigurations: byte('bNumConfigurations'),
  };
  const busNumber = number(device, 'busNumber', 'device', WORD);
  const deviceAddress = number(device, 'deviceAddress', 'device', WORD);
  const portPath = readPortPath(read(device, 'portNumbers', 'device'));
  return { deviceDescriptor, location: { busNumber, deviceAddress, portPath } };
}

/**
 * All of a device that is there. Throws ERR_USB_DEVICE.
 *
 * @param done is called once, possibly at once: `(null, facts)`, or with ERR_USB_DEVICE for a bad string
 */
function readDevice(device, done) {
  const facts = readIdentity(device);
  const { iManufacturer, iProduct, iSerialNumber } = facts.deviceDescriptor;
  const interfaces = readInterfaces(device);
  if (interfaces) facts.interfaces = interfaces;
  const speed = read(device, 'speed', 'device');
  if (speed !== undefined && speed !== null) {
    if (!(Number.isFinite(speed) && speed > 0)) throw malformed('device.speed', speed, 'Mbit/s as a positive number');
    facts.speed = speed;
  }
  const wanted = [];
  const take = (name, index) => {
    const text = read(device, name, 'device');
    if (text !== undefined && text !== null) facts[name] = checkedText(text, `device.${name}`);
    else if (index > 0) wanted.push({ name, index });
  };
  take('manufacturer', iManufacturer);
  take('product', iProduct);
  take('serialNumber', iSerialNumber);
  const methods = {
    open: method(device, 'open'),
    close: method(device, 'close'),
    getStringDescriptor: method(device, 'getStringDescriptor'),
  };
  if (wanted.length === 0 || !methods.getStringDescriptor) done(null, facts);
  else readStrings(device, methods, wanted, (error, texts) => done(error, Object.assign(facts, texts)));
}

function readPortPath(ports) {
  if (ports === undefined || ports === null) return '0';
  const length = list(ports, 'device.portNumbers', DEEPEST);
  let path = '';
  for (let at = 0; at < length; at += 1) {
    path += `${at > 0 ? '.' : ''}${number(ports, at, 'device.portNumbers', BYTE, undefined, 1)}`;
  }
  return path || '0';
}

/** Interface classes: ready-made ones, else those of node-usb's configuration descriptor, else undefined. */
function readInterfaces(device) {
  const readyMade = read(device, 'interfaces', 'device') ?? undefined;
  const found = readyMade === undefined ? [] : classesOf(readyMade, 'device.interfaces', readClass);
  if (found.length > 0) return found;
  const configuration = configurationOf(device) ?? undefined;
  if (configuration === undefined) return undefined;
  const path = 'device.configDescriptor';
  const interfaces = read(object(configuration, path), 'interfaces', path) ?? undefined;
  return interfaces === undefined ? undefined : classesOf(interfaces, `${path}.interfaces`, readSettings);
}

/** Each kind once, in the list's order. */
function classesOf(value, path, readEntry) {
  const found = new Map();
  const add = (cc, subclass, protocol) => {
    found.set((cc << 16) | (subclass << 8) | protocol, { class: cc, subclass, protocol });
  };
  each(value, path, (entry, at) => readEntry(entry, at, add));
  return [...found.values()];
}

function readClass(entry, path, add) {
  const cc = number(entry, 'class', path, BYTE, null);
  // node-usb's own interfaces are objects to talk to, and have none.
  if (cc !== null) add(cc, number(entry, 'subclass', path, BYTE, 0), number(entry, 'protocol', path, BYTE, 0));
}

function readSettings(settings, path, add) {
  each(settings, path, (setting, at) => {
    const cc = number(setting, 'bInterfaceClass', at, BYTE);
    add(cc, number(setting, 'bInterfaceSubClass', at, BYTE, 0), number(setting, 'bInterfaceProtocol', at, BYTE, 0));
  });
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
  if (!isList) throw malformed(path, value, `a list of ${most} at most`);
  // A proxy's length may be anything, and something else each time.
  const length = read(value, 'length', path);
  if (!(Number.isInteger(length) && length >= 0 && length <= most)) {
    throw malformed(`${path}.length`, length, `a list of ${most} at most`);
  }
  return length;
}

/** `fallback` stands for what is missing or null; without one there has to be a number. */
function number(from, key, parent, most, fallback, least = 0) {
  const value = read(from, key, parent);
  if ((value === undefined || value === null) && fallback !== undefined) return fallback;
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
