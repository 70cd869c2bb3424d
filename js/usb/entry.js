'use strict';

const { Attachments } = require('./attachments.js');
const constants = require('./constants.js');
const { Device } = require('./device.js');
const { Hotplug } = require('./hotplug.js');
const { Endpoint, InEndpoint, Interface, OutEndpoint } = require('./interface.js');
const { LibUSBException } = require('./refusal.js');
const refused = require('./refused.js');

/** What npm usb 2 has on its object `usb` beside the events. Functions work without it too: programs take them off. */
function face(hotplug, attachments) {
  return {
    INIT_ERROR: 0,
    Device,
    LibUSBException,
    Transfer: refused.Transfer,
    getDeviceList: () => [...attachments.present().values()],
    refHotplugEvents: () => hotplug.hold(),
    unrefHotplugEvents: () => hotplug.letGo(),
    // There is no libusb of the program's own to tell this to.
    setDebugLevel() {},
    useUsbDkBackend() {},
    _supportedHotplugEvents: () => true,
  };
}

/**
 * Makes the module. `openDaemon` gives a USBDaemon, `listDevices` what is present now as a list of USBDeviceInfo.
 */
function createEntry({ openDaemon, listDevices }) {
  const attachments = new Attachments(listDevices);
  const hotplug = new Hotplug({ openDaemon, attachments });
  const own = face(hotplug, attachments);
  for (const [name, value] of Object.entries({ ...constants, ...own })) {
    const writable = typeof value === 'function';
    Object.defineProperty(hotplug, name, { value, enumerable: true, configurable: true, writable });
  }
  // Settings of the polling that npm usb 2 falls back to; nothing polls here.
  Object.defineProperty(hotplug, 'pollHotplug', { value: false, writable: true });
  Object.defineProperty(hotplug, 'pollHotplugDelay', { value: 500, writable: true });

  const findByIds = (vid, pid) =>
    hotplug.getDeviceList().find(({ deviceDescriptor: { idVendor, idProduct } }) => idVendor === vid && idProduct === pid);

  const serialNumberOf = (device) =>
    new Promise((resolve) => {
      device.getStringDescriptor(device.deviceDescriptor.iSerialNumber, (_, text) => resolve(text));
    });
  const findBySerialNumber = async (serialNumber) => {
    for (const device of hotplug.getDeviceList()) {
      const found = await serialNumberOf(device);
      if (found && found === serialNumber) return device;
    }
    return undefined;
  };

  const { getDeviceList, useUsbDkBackend, refHotplugEvents, unrefHotplugEvents, setDebugLevel } = own;
  const module = {
    usb: hotplug,
    findByIds,
    findBySerialNumber,
    getDeviceList,
    useUsbDkBackend,
    Device,
    LibUSBException,
    Interface,
    Endpoint,
    InEndpoint,
    OutEndpoint,
    ...refused,
    // `import * as usb from 'usb'` with `usb.on(…)`, as with npm usb 1 and in AutoWeave's specification.
    refHotplugEvents,
    unrefHotplugEvents,
    setDebugLevel,
  };
  for (const name of ['on', 'once', 'off', 'addListener', 'removeListener', 'removeAllListeners']) {
    module[name] = (...args) => hotplug[name](...args);
  }
  module.default = module;
  return Object.defineProperty(module, '__esModule', { value: true });
}

module.exports = { createEntry };
