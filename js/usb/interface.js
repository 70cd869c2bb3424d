'use strict';

const { EventEmitter } = require('node:events');
const { refuse } = require('./refusal.js');

/** An endpoint as its descriptor describes it. */
class Endpoint extends EventEmitter {
  timeout = 0;

  constructor(device, descriptor) {
    super();
    this.device = device;
    this.descriptor = descriptor;
    this.address = descriptor.bEndpointAddress;
    this.transferType = descriptor.bmAttributes & 0x03;
  }
}
refuse(Endpoint, 'endpoint', ['clearHalt', 'makeTransfer']);

class InEndpoint extends Endpoint {
  direction = 'in';
  pollActive = false;
}
refuse(InEndpoint, 'endpoint', ['transfer', 'transferAsync', 'startPoll', 'startPollTransfers', 'stopPoll']);

class OutEndpoint extends Endpoint {
  direction = 'out';
}
refuse(OutEndpoint, 'endpoint', ['transfer', 'transferAsync', 'transferWithZLP']);

/** An interface of a device that a program has "opened": what it is, and nothing to do with it. */
class Interface {
  altSetting = 0;

  constructor(device, id) {
    this.device = device;
    this.id = id;
    this.descriptor = device.configDescriptor.interfaces[id][0];
    this.interfaceNumber = this.descriptor.bInterfaceNumber;
    this.endpoints = this.descriptor.endpoints.map((descriptor) =>
      descriptor.bEndpointAddress & 0x80 ? new InEndpoint(device, descriptor) : new OutEndpoint(device, descriptor),
    );
  }

  endpoint(address) {
    return this.endpoints.find((endpoint) => endpoint.address === address);
  }
}
refuse(Interface, 'interface', [
  'refresh',
  'claim',
  'release',
  'releaseAsync',
  'isKernelDriverActive',
  'detachKernelDriver',
  'attachKernelDriver',
  'setAltSetting',
  'setAltSettingAsync',
]);

module.exports = { Endpoint, InEndpoint, Interface, OutEndpoint };
