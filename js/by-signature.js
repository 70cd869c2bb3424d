'use strict';

/** More than most machines have devices, and looked through in less than a microsecond. */
const FEW = 64;

/**
 * What is known of devices, by signature, in the order in which they have come.
 *
 * V8 gives a Map another table each time that a few keys have come and gone. Once one has grown old they all lie where garbage is seldom
 * collected: a process that runs for months would hold megabytes of them. So this is a Map only where there are many devices.
 */
class BySignature {
  #signatures = [];
  #values = [];
  #map = null;

  get(signature) {
    return this.#map === null ? this.#values[this.#signatures.indexOf(signature)] : this.#map.get(signature);
  }

  has(signature) {
    return this.#map === null ? this.#signatures.includes(signature) : this.#map.has(signature);
  }

  values() {
    return this.#map === null ? [...this.#values] : [...this.#map.values()];
  }

  /** Pairs of signature and value. */
  entries() {
    return this.#map === null ? this.#signatures.map((signature, at) => [signature, this.#values[at]]) : [...this.#map];
  }

  set(signature, value) {
    if (this.#map !== null) {
      this.#map.set(signature, value);
      return;
    }
    const known = this.#signatures.indexOf(signature);
    if (known !== -1) {
      this.#values[known] = value;
    } else if (this.#signatures.length < FEW) {
      this.#signatures.push(signature);
      this.#values.push(value);
    } else {
      this.#map = new Map(this.entries()).set(signature, value);
      this.#forget();
    }
  }

  /** Whether it was there. */
  delete(signature) {
    if (this.#map !== null) return this.#map.delete(signature);
    const known = this.#signatures.indexOf(signature);
    if (known === -1) return false;
    this.#signatures.splice(known, 1);
    this.#values.splice(known, 1);
    return true;
  }

  clear() {
    this.#map = null;
    this.#forget();
  }

  #forget() {
    this.#signatures = [];
    this.#values = [];
  }
}

module.exports = { BySignature };
