'use strict';

const { LIBUSB_TRANSFER_STALL } = require('./constants.js');
const { activeOf, configurationsOf } = require('./configuration.js');
const { Interface } = require('./interface.js');
const { LibUSBException, refuse } = require('./refusal.js');

/** The version from which on devices have a binary object store. */
const FIRST_WITH_BOS = 0x0201;
const STRINGS = [
  ['iManufacturer', 'manufacturer'],
  ['iProduct', 'product'],
  ['iSerialNumber', 'serialNumber'],
];

/** One attachment, with the face of npm usb 2's `Device`. All it says was known before it was asked. */
class Device {
  /** Where what is known stands; it may become more. */
  #record;
  #configurations;
  #parentOf;
  #timeout;

  constructor(record, parentOf) {
    this.#record = record;
    this.#parentOf = parentOf;
    const { deviceDescriptor, location } = record.info;
    // Read-only and enumerable, in npm usb 2's order; a root hub has no port numbers.
    const fields = {
      busNumber: location.busNumber,
      deviceAddress: location.deviceAddress,
      deviceDescriptor: Object.freeze({ ...deviceDescriptor }),
    };
    if (location.portPath !== '0') fields.portNumbers = location.portPath.split('.').map(Number);
    for (const [name, value] of Object.entries(fields)) {
      Object.defineProperty(this, name, { value, enumerable: true, configurable: true });
    }
  }

  get timeout() {
    return this.#timeout || 1000;
  }

  set timeout(value) {
    this.#timeout = value;
  }

  get configDescriptor() {
    return activeOf(this.allConfigDescriptors, this.#record.info);
  }

  get allConfigDescriptors() {
    this.#configurations ??= configurationsOf(this.#record.info);
    return this.#configurations ?? [];
  }

  get parent() {
    return this.#parentOf(this.#record.info);
  }

  open(defaultConfig = true) {
    const count = defaultConfig === false ? 0 : (this.configDescriptor?.interfaces.length ?? 0);
    this.interfaces = Array.from({ length: count }, (_, at) => new Interface(this, at));
  }

  close() {
    this.interfaces = undefined;
  }

  getStringDescriptor(index, callback) {
    if (index === 0) {
      callback();
      return;
    }
    const { info } = this.#record;
    const [, name] = STRINGS.find(([field, string]) => info.deviceDescriptor[field] === index && info[string] !== undefined) ?? [];
    // As a device answers that has no such string.
    const failure = name === undefined ? new LibUSBException('LIBUSB_TRANSFER_STALL', LIBUSB_TRANSFER_STALL) : undefined;
    process.nextTick(callback, failure, name && info[name]);
  }

  getBosDescriptor(callback) {
    if (this.deviceDescriptor.bcdUSB < FIRST_WITH_BOS) return callback(undefined, undefined);
    return this.controlTransfer();
  }

  getCapabilities(callback) {
    this.getBosDescriptor(() => callback(undefined, []));
  }
}
refuse(Device, 'device', ['controlTransfer', 'interface', 'reset', 'setAutoDetachKernelDriver', 'setConfiguration']);

module.exports = { Device };
