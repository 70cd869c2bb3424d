'use strict';

const { USBDaemon } = require('./js/daemon.js');
const native = require('./js/native.js');
const { createEntry } = require('./js/usb/entry.js');

module.exports = createEntry({
  openDaemon: () => new USBDaemon({ redis: false, monitoring: { enabled: false } }),
  listDevices: native.listDevices && (() => JSON.parse(native.listDevices())),
});
