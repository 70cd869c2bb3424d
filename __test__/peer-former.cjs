'use strict';

// The path that this package takes the place of: npm `usb` 2 hears, ioredis adds the specification's fields. Prints a line for
// each entry that Redis has acknowledged.

const Redis = require('ioredis');
const { entryOf } = require('./former-entry.cjs');
const [, , usbFolder, connection] = process.argv;
const { usb } = require(usbFolder);

const redis = new Redis(JSON.parse(connection));

/** As the specification has it: the device is opened for its strings. */
function stringsOf(device) {
  const { deviceDescriptor } = device;
  const strings = {};
  try {
    device.open();
    for (const name of ['iManufacturer', 'iProduct', 'iSerialNumber']) {
      if (deviceDescriptor[name]) device.getStringDescriptor(deviceDescriptor[name], (_, text) => (strings[name] = text));
    }
    device.close();
  } catch {
    // It may have left, or be somebody else's.
  }
  return strings;
}

async function publish(action, device) {
  const { busNumber, deviceAddress } = device;
  await redis.xadd('former', '*', ...entryOf(action, device, stringsOf(device)));
  const monotonic_ns = String(process.hrtime.bigint());
  process.stdout.write(`${JSON.stringify({ event: action, monotonic_ns, busNumber, deviceAddress })}\n`);
}

for (const action of ['attach', 'detach']) usb.on(action, (device) => publish(action, device));
redis.ping().then(() => process.stdout.write(`${JSON.stringify({ event: 'ready' })}\n`));
