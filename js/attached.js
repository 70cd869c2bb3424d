'use strict';

const { BySignature } = require('./by-signature.js');
const { ConnectedDevices, writing } = require('./connected-devices.js');

/** What is attached, by signature. Signatures are the addon's: listeners may change what is in a device's description. */
class Attached extends BySignature {
  /** The Map that programs see, from when one asks for it. */
  #seen = null;

  asMap() {
    if (this.#seen === null) {
      this.#seen = new ConnectedDevices();
      for (const [signature, info] of this.entries()) writing.attach(this.#seen, signature, info);
    }
    return this.#seen;
  }

  set(signature, info) {
    super.set(signature, info);
    if (this.#seen !== null) writing.attach(this.#seen, signature, info);
  }

  delete(signature) {
    if (this.#seen !== null) writing.detach(this.#seen, signature);
    return super.delete(signature);
  }

  clear() {
    if (this.#seen !== null) writing.clear(this.#seen);
    super.clear();
  }
}

module.exports = { Attached };
