'use strict';

// Which devices somebody means: a description, a function, or the `permissions.usb` of an AutoWeave plugin's manifest.

const { readArgument } = require('./argument-reading.js');
const { badArgument } = require('./failure.js');
const { shown } = require('./device-values.js');
const { nearest } = require('./nearest.js');
const { isPlainObject } = require('./plain-object.js');
const { sameUnitAs } = require('./same-unit.js');

const BYTE = 0xff;
const WORD = 0xffff;
/** There are no more IDs than that. */
const LONGEST_LIST = 0x10000;
/** Permissions of AutoWeave's manifests that say nothing about which device is meant. */
const NOT_OURS = ['exclusive', 'detach_kernel_driver'];

const same = (get) => (device, wanted) => get(device) === wanted;
const number = (value, path) => code(value, path, WORD, false);

/** How each is checked, and what then says whether a device has it. */
const DESCRIPTION = {
  vendorId: [id, same((device) => device.vendorId)],
  productId: [id, same((device) => device.productId)],
  serialNumber: [text, same((device) => device.serialNumber)],
  manufacturer: [text, same((device) => device.manufacturer)],
  product: [text, same((device) => device.product)],
  stableId: [text, same((device) => device.stableId)],
  sameUnitAs: [sameUnitAs, (device, isIt) => isIt(device)],
  signature: [text, same((device) => device.signature)],
  portPath: [text, same((device) => device.location.portPath)],
  busNumber: [number, same((device) => device.location.busNumber)],
  deviceAddress: [number, same((device) => device.location.deviceAddress)],
  class: [classCode, hasClass],
  capability: [capability, isCapable],
};

/** `<group>:<kind>`, or `*` for any kind. */
const CAPABILITY = /^[a-z0-9-]+:([a-z0-9.-]+|\*)$/;

const vendors = (value, path) => oneOf(value, path, id, (device, wanted) => device.vendorId === wanted);
const products = (value, path) => oneOf(value, path, id, (device, wanted) => device.productId === wanted);
const classes = (value, path) => oneOf(value, path, classCode, hasClass);

const MANIFEST = {
  vendor_ids: vendors,
  product_ids: products,
  device_classes: classes,
  // AutoWeave's TypeScript has a USBDeviceFilter with the same in its own spelling.
  vendorIds: vendors,
  productIds: products,
  deviceClass: classes,
  interfaces: (value, path) => oneOf(value, path, interfaceClass, hasInterface),
  capabilities: (value, path) => oneOf(value, path, capability, isCapable),
  sameUnitAs,
};

/** A function that says whether a device of this machine, which is called `host`, is meant by `match`: a description or a function. */
function deviceMatch(match, host) {
  if (typeof match === 'function') return answering(match);
  const conditions = conditionsOf(match, 'match', Object.keys(DESCRIPTION), (key, value) => {
    const [check, fits] = DESCRIPTION[key];
    const wanted = check(value, `match.${key}`, host);
    return (device) => fits(device, wanted);
  });
  return (device) => conditions.every((holds) => holds(device));
}

/** The same for a manifest's lists: one of each list has to fit; an empty list, like none, asks for nothing. */
function manifestMatch(match, host) {
  if (typeof match === 'function') return answering(match);
  const known = [...Object.keys(MANIFEST), ...NOT_OURS];
  const conditions = conditionsOf(match, 'match', known, (key, value) => {
    return NOT_OURS.includes(key) ? () => true : MANIFEST[key](value, `match.${key}`, host);
  });
  return (device) => conditions.every((holds) => holds(device));
}

/** A promise is true whatever it will say: every device would fit. */
function answering(match) {
  return (device) => {
    const fits = match(device);
    if (fits === null || !['object', 'function'].includes(typeof fits)) return fits;
    const then = readArgument('match', () => fits.then);
    if (typeof then !== 'function') return fits;
    // What it fails with later is nobody's business any more.
    Promise.resolve(fits).catch(() => {});
    throw badArgument('match has given a promise: expected a function that says at once whether a device is meant');
  };
}

function conditionsOf(match, path, known, condition) {
  const conditions = [];
  for (const [key, value] of entriesOf(match, path, 'a plain object or a function')) {
    if (!known.includes(key)) throw badArgument(`${path}.${key} is no known key: ${nearest(key, known)}`);
    if (value !== undefined) conditions.push(condition(key, value));
  }
  return conditions;
}

function entriesOf(value, path, expected) {
  const entries = readArgument(path, () => isPlainObject(value) && Object.entries(value));
  if (!entries) throw badArgument(`${path} is ${shown(value)}: expected ${expected}`);
  return entries;
}

function oneOf(list, path, check, fits) {
  // Once: a proxy's length may be anything, and something else each time.
  const length = readArgument(path, () => (Array.isArray(list) ? list.length : undefined));
  if (!(Number.isInteger(length) && length >= 0 && length <= LONGEST_LIST)) {
    throw badArgument(`${path} is ${shown(list)}: expected a list of ${LONGEST_LIST} at most`);
  }
  const wanted = Array.from({ length }, (_, at) => {
    const entry = readArgument(`${path}[${at}]`, () => list[at]);
    return check(entry, `${path}[${at}]`);
  });
  return (device) => wanted.length === 0 || wanted.some((entry) => fits(device, entry));
}

function hasClass(device, wanted) {
  return device.deviceDescriptor.bDeviceClass === wanted || hasInterface(device, { class: wanted });
}

function hasInterface(device, wanted) {
  return device.interfaces.some((found) => {
    return ['class', 'subclass', 'protocol'].every((part) => wanted[part] === undefined || found[part] === wanted[part]);
  });
}

/** A device that a program made by hand may have none. */
function isCapable(device, wanted) {
  return (device.capabilities ?? []).some((found) => found === wanted || (wanted.endsWith(':*') && found.startsWith(wanted.slice(0, -1))));
}

function capability(value, path) {
  if (typeof value !== 'string' || !CAPABILITY.test(value)) {
    throw badArgument(`${path} is ${shown(value)}: expected a capability, as in hid:keyboard, or a group of them, as in serial:*`);
  }
  return value;
}

function id(value, path) {
  return code(value, path, WORD);
}

function classCode(value, path) {
  return code(value, path, BYTE);
}

/** A class code, `cc/ss/pp` in hex as in the stream, or an object of numbers; what is not said may be anything. */
function interfaceClass(value, path) {
  if (typeof value === 'object' && value !== null) {
    const wanted = {};
    for (const [part, of] of entriesOf(value, path, 'a class or a plain object')) {
      const known = ['class', 'subclass', 'protocol'];
      if (!known.includes(part)) throw badArgument(`${path}.${part} is no known key: ${nearest(part, known)}`);
      if (of !== undefined) wanted[part] = classCode(of, `${path}.${part}`);
    }
    return wanted;
  }
  const parts = typeof value === 'string' ? value.split('/') : [value];
  if (parts.length > 3) throw badArgument(`${path} is ${shown(value)}: expected class/subclass/protocol in hex`);
  const [cc, ss, pp] = parts.map((part) => classCode(part, path));
  return { class: cc, subclass: ss, protocol: pp };
}

/** A number, or hex digits with or without 0x, as manifests have them. */
function code(value, path, most, hex = true) {
  const isHex = hex && typeof value === 'string' && /^(0x)?[0-9a-f]+$/i.test(value);
  const number = isHex ? Number.parseInt(value, 16) : value;
  if (!Number.isInteger(number) || number < 0 || number > most) {
    throw badArgument(`${path} is ${shown(value)}: expected a whole number from 0 to ${most}${hex ? ', or that in hex as text' : ''}`);
  }
  return number;
}

function text(value, path) {
  if (typeof value !== 'string') throw badArgument(`${path} is ${shown(value)}: expected a text`);
  return value;
}

module.exports = { deviceMatch, manifestMatch };
