// Tells a daemon of one device, and kills this very process the moment the promise settles: what is not stored by then never is.
// Arguments: the outbox's file, `attach` or `detach`, the device's serial number.

'use strict';

const USBDaemon = require('..');

const [path, action, serial] = process.argv.slice(2);
const daemon = new USBDaemon({ redis: false, monitoring: { enabled: false }, sources: [], outbox: { path, required: true } });
const device = {
  busNumber: 7,
  deviceAddress: 5,
  portNumbers: [3],
  deviceDescriptor: { idVendor: 0x046d, idProduct: 0xc31c, iSerialNumber: 3 },
  open() {},
  close() {},
  getStringDescriptor: (index, callback) => callback(undefined, serial),
};
const heard = [];
for (const event of ['attach', 'detach']) daemon.on(`device:${event}`, (info) => info.serialNumber === serial && heard.push(event));

(async () => {
  await daemon.start();
  // What the one before has left has been told of by now, and is not ours.
  await daemon.handleDeviceAttach(device);
  if (action === 'detach') await daemon.handleDeviceDetach(device);
  const isVisible = daemon.getConnectedDevices().some(({ serialNumber }) => serialNumber === serial);
  if (heard.at(-1) === action && isVisible === (action === 'attach')) process.kill(process.pid, 'SIGKILL');
  console.log(`settled with ${JSON.stringify({ heard, isVisible })}`);
  process.exit(1);
})();
