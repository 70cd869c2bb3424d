'use strict';

const { Device } = require('./device.js');

const place = ({ location }) => `${location.busNumber}:${location.deviceAddress}`;

function isSame(one, other) {
  return (
    one.vendorId === other.vendorId &&
    one.productId === other.productId &&
    one.location.portPath === other.location.portPath
  );
}

/** The object that stands for each attachment: one and the same in its events and in lists. */
class Attachments {
  #list;
  /** What a daemon has announced, and what the last list had, by bus and address. */
  #announced = new Map();
  #listed = new Map();

  /** `list` gives what is present at this moment. */
  constructor(list) {
    this.#list = list;
  }

  /** Devices that are present now, by bus and address. */
  present() {
    this.#listed = new Map(this.#list().map((info) => [place(info), this.#find(info) ?? this.#record(info)]));
    return new Map([...this.#listed].map(([at, { device }]) => [at, device]));
  }

  /** Gives `{ at, device }` of an attachment that begins. */
  attach(info) {
    const at = place(info);
    const known = this.#listed.get(at);
    const record = known && isSame(known.info, info) ? known : this.#record(info);
    record.info = info;
    this.#announced.set(at, record);
    return { at, device: record.device };
  }

  /** Gives the device of an attachment that has ended. */
  detach(info) {
    const at = place(info);
    const { device } = this.#find(info) ?? this.#record(info);
    this.#announced.delete(at);
    if (this.#listed.get(at)?.device === device) this.#listed.delete(at);
    return device;
  }

  /** Nobody announces any more: what is known stays known until the next list. */
  settle() {
    for (const [at, record] of this.#announced) this.#listed.set(at, record);
    this.#announced.clear();
  }

  #find(info) {
    const at = place(info);
    return [this.#announced.get(at), this.#listed.get(at)].find((record) => record && isSame(record.info, info));
  }

  #record(info) {
    const record = { info };
    record.device = new Device(record, (child) => this.#parentOf(child));
    return record;
  }

  #parentOf({ location: { busNumber, portPath } }) {
    if (portPath === '0') return null;
    const upTo = portPath.lastIndexOf('.');
    const path = upTo < 0 ? '0' : portPath.slice(0, upTo);
    const look = () =>
      [...this.#announced.values(), ...this.#listed.values()].find(
        ({ info: { location } }) => location.busNumber === busNumber && location.portPath === path,
      );
    return (look() ?? (this.present() && look()))?.device ?? null;
  }
}

module.exports = { Attachments };
