'use strict';

// Configuration descriptors, from the copy that the kernel keeps in sysfs: reading it asks no device anything, and waits for
// no driver. It is read when a program asks, for most never do.

const { readFileSync, readdirSync } = require('node:fs');

const DEVICES = '/sys/bus/usb/devices';
const DEVICE_LENGTH = 18;
const CONFIGURATION = 2;
const INTERFACE = 4;
const ENDPOINT = 5;
/** The least lengths that have all the fields. */
const LENGTHS = { [CONFIGURATION]: 9, [INTERFACE]: 9, [ENDPOINT]: 7 };

/** The kernel's name for a device: `usb1`, `1-4.2`. */
function kernelName({ busNumber, portPath }) {
  return portPath === '0' ? `usb${busNumber}` : `${busNumber}-${portPath}`;
}

/** The raw descriptors of a device, or null where it is not there, or no longer. */
function rawDescriptors({ location, vendorId, productId }, devices) {
  const folder = `${devices}/${kernelName(location)}`;
  try {
    const raw = readFileSync(`${folder}/descriptors`);
    // Asked last: a device that has taken this one's place meanwhile has another address.
    const isSame = Number(readFileSync(`${folder}/devnum`, 'latin1')) === location.deviceAddress;
    if (!isSame || raw.length < DEVICE_LENGTH) return null;
    return raw.readUInt16LE(8) === vendorId && raw.readUInt16LE(10) === productId ? raw : null;
  } catch {
    return null;
  }
}

/**
 * Value of the configuration that is in force, or undefined. Taken from the names of the interfaces' folders: for
 * `bConfigurationValue` the kernel makes the reader wait until drivers have probed.
 */
function activeValue(location, devices) {
  const name = kernelName(location);
  const stem = location.portPath === '0' ? `${location.busNumber}-0:` : `${name}:`;
  try {
    const folder = readdirSync(`${devices}/${name}`).find((entry) => entry.startsWith(stem));
    return folder && Number.parseInt(folder.slice(stem.length), 10);
  } catch {
    return undefined;
  }
}

function configuration(raw) {
  return {
    bLength: raw[0],
    bDescriptorType: raw[1],
    wTotalLength: raw.readUInt16LE(2),
    bNumInterfaces: raw[4],
    bConfigurationValue: raw[5],
    iConfiguration: raw[6],
    bmAttributes: raw[7],
    bMaxPower: raw[8],
    extra: Buffer.alloc(0),
    interfaces: [],
  };
}

function alternateSetting(raw) {
  return {
    bLength: raw[0],
    bDescriptorType: raw[1],
    bInterfaceNumber: raw[2],
    bAlternateSetting: raw[3],
    bNumEndpoints: raw[4],
    bInterfaceClass: raw[5],
    bInterfaceSubClass: raw[6],
    bInterfaceProtocol: raw[7],
    iInterface: raw[8],
    extra: Buffer.alloc(0),
    endpoints: [],
  };
}

function endpoint(raw) {
  const isAudio = raw.length >= 9;
  return {
    bLength: raw[0],
    bDescriptorType: raw[1],
    bEndpointAddress: raw[2],
    bmAttributes: raw[3],
    wMaxPacketSize: raw.readUInt16LE(4),
    bInterval: raw[6],
    bRefresh: isAudio ? raw[7] : 0,
    bSynchAddress: isAudio ? raw[8] : 0,
    extra: Buffer.alloc(0),
  };
}

/** Reads all configurations as npm usb 2 shapes them; ends where the bytes stop making sense. */
function parse(raw) {
  const configurations = [];
  let setting;
  let holder;
  for (let at = DEVICE_LENGTH; at + 2 <= raw.length; ) {
    const [length, type] = [raw[at], raw[at + 1]];
    if (length < 2 || at + length > raw.length) break;
    const bytes = raw.subarray(at, at + length);
    const last = configurations.at(-1);
    const isWhole = length >= LENGTHS[type];
    if (type === CONFIGURATION && isWhole) {
      holder = configuration(bytes);
      configurations.push(holder);
      setting = undefined;
    } else if (type === INTERFACE && isWhole && last) {
      holder = setting = alternateSetting(bytes);
      const others = last.interfaces.find(([first]) => first.bInterfaceNumber === setting.bInterfaceNumber);
      if (others) others.push(setting);
      else last.interfaces.push([setting]);
    } else if (type === ENDPOINT && isWhole && setting) {
      holder = endpoint(bytes);
      setting.endpoints.push(holder);
    } else if (holder) {
      // A class's own descriptor belongs to what it follows.
      holder.extra = Buffer.concat([holder.extra, bytes]);
    }
    at += length;
  }
  return configurations;
}

/** Every configuration of a device; null where they cannot be known, or no longer. */
function configurationsOf(info, devices = DEVICES) {
  const raw = rawDescriptors(info, devices);
  return raw && parse(raw);
}

/** The one of `configurations` that is in force; undefined while there is none. */
function activeOf(configurations, { location }, devices = DEVICES) {
  // Nearly every device has one alone, and its folders come only after its attach.
  if (configurations.length === 1) return configurations[0];
  const value = activeValue(location, devices);
  return configurations.find(({ bConfigurationValue }) => bConfigurationValue === value);
}

module.exports = { activeOf, configurationsOf, parse };
