'use strict';

const { ConnectedDevices, writing } = require('./connected-devices.js');

/** More than most machines have, and looked through in less than a microsecond. */
const FEW = 64;

/**
 * What is attached, by signature, in the order in which it has come.
 *
 * V8 gives a Map another table each time that a few devices have come and gone, and lets the old ones lie for long: a process that runs for
 * months would hold megabytes of them. So there is a Map only where somebody wants one, or has many devices. Signatures are the addon's: listeners
 * may change what is in a device's description.
 */
class Attached {
  #signatures = [];
  #infos = [];
  /** From when it is wanted. */
  #map = null;

  /** The Map that programs see. */
  asMap() {
    if (this.#map === null) {
      this.#map = new ConnectedDevices();
      this.#signatures.forEach((signature, at) => writing.attach(this.#map, signature, this.#infos[at]));
      this.#signatures = [];
      this.#infos = [];
    }
    return this.#map;
  }

  get(signature) {
    return this.#map === null ? this.#infos[this.#signatures.indexOf(signature)] : this.#map.get(signature);
  }

  has(signature) {
    return this.#map === null ? this.#signatures.includes(signature) : this.#map.has(signature);
  }

  values() {
    return this.#map === null ? [...this.#infos] : [...this.#map.values()];
  }

  /** Pairs of signature and description. */
  entries() {
    return this.#map === null ? this.#signatures.map((signature, at) => [signature, this.#infos[at]]) : [...this.#map];
  }

  attach(signature, info) {
    if (this.#map === null && this.#signatures.length >= FEW) this.asMap();
    if (this.#map !== null) {
      writing.attach(this.#map, signature, info);
      return;
    }
    const known = this.#signatures.indexOf(signature);
    if (known !== -1) {
      this.#infos[known] = info;
      return;
    }
    this.#signatures.push(signature);
    this.#infos.push(info);
  }

  detach(signature) {
    if (this.#map !== null) {
      writing.detach(this.#map, signature);
      return;
    }
    const known = this.#signatures.indexOf(signature);
    if (known === -1) return;
    this.#signatures.splice(known, 1);
    this.#infos.splice(known, 1);
  }

  clear() {
    if (this.#map !== null) writing.clear(this.#map);
    this.#signatures = [];
    this.#infos = [];
  }
}

module.exports = { Attached };
