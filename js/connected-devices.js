'use strict';

const { set, delete: remove, clear } = Map.prototype;

function readOnly() {
  throw new TypeError('connectedDevices is read-only: it follows the devices');
}

/** What is attached, by signature. A Map, so that it prints, spreads and clones as one, but only the daemon writes. */
class ConnectedDevices extends Map {
  constructor() {
    super();
    Object.freeze(this);
  }

  set() {
    readOnly();
  }

  delete() {
    readOnly();
  }

  clear() {
    readOnly();
  }
}

/** The way to write, which the daemon keeps to itself. Signatures are the addon's: listeners may change what is in `info`. */
const writing = {
  attach: (devices, signature, info) => Reflect.apply(set, devices, [signature, info]),
  detach: (devices, signature) => Reflect.apply(remove, devices, [signature]),
  clear: (devices) => Reflect.apply(clear, devices, []),
};

module.exports = { ConnectedDevices, writing };
