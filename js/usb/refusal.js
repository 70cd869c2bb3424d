'use strict';

const { coded } = require('../failure.js');

/** npm usb 2 has this name in its types alone; here it can be asked for with `instanceof`. */
class LibUSBException extends Error {
  constructor(message, errno) {
    super(message);
    this.errno = errno;
  }
}

/** What is thrown where a program wants to do more than watch. */
function refusal(what) {
  return coded(
    'ERR_USB_NO_TRANSFER',
    `${what} is not there: @autoweave/usb-daemon/usb watches and identifies devices and never touches one. For transfers ` +
      'take npm "usb" beside it, and find the device there by its busNumber and deviceAddress',
  );
}

/** Gives a class methods of these names that refuse. */
function refuse(type, subject, names) {
  for (const name of names) {
    const method = function () {
      throw refusal(`${subject}.${name}()`);
    };
    Object.defineProperty(method, 'name', { value: name });
    Object.defineProperty(type.prototype, name, { value: method, writable: true, configurable: true });
  }
}

module.exports = { LibUSBException, refusal, refuse };
