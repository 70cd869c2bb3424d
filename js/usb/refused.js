'use strict';

// What npm usb 2 exports for those who talk to devices. The names are there, so that a program which takes them along
// loads; using them says what to do instead.

const { refusal, refuse } = require('./refusal.js');

class Transfer {
  constructor() {
    throw refusal('new Transfer()');
  }
}
refuse(Transfer, 'transfer', ['submit', 'cancel']);

class Capability {
  constructor() {
    throw refusal('new Capability()');
  }
}

class WebUSB {
  constructor() {
    throw refusal('new WebUSB()');
  }
}
refuse(WebUSB, 'WebUSB', ['requestDevice', 'getDevices', 'addEventListener', 'removeEventListener', 'dispatchEvent']);
for (const name of ['onconnect', 'ondisconnect']) {
  Object.defineProperty(WebUSB.prototype, name, {
    // A handler that is set and never called would be silence where npm usb 2 speaks.
    set() {
      throw refusal(`WebUSB.${name}`);
    },
    configurable: true,
  });
}

class WebUSBDevice {
  constructor() {
    throw refusal('new WebUSBDevice()');
  }

  static async createInstance() {
    throw refusal('WebUSBDevice.createInstance()');
  }
}
refuse(WebUSBDevice, 'WebUSBDevice', [
  'open',
  'close',
  'reset',
  'forget',
  'selectConfiguration',
  'claimInterface',
  'releaseInterface',
  'selectAlternateInterface',
  'controlTransferIn',
  'controlTransferOut',
  'transferIn',
  'transferOut',
  'isochronousTransferIn',
  'isochronousTransferOut',
  'clearHalt',
]);

function getWebUsb() {
  throw refusal('getWebUsb()');
}

const webusb = Object.create(WebUSB.prototype);

module.exports = { Capability, Transfer, WebUSB, WebUSBDevice, getWebUsb, webusb };
