'use strict';

// The path that this package takes the place of: npm `usb` 2 hears, ioredis adds the specification's fields. Prints a line for
// each entry that Redis has acknowledged.

const { createHash } = require('node:crypto');
const Redis = require('ioredis');
const [, , usbFolder, connection] = process.argv;
const { usb } = require(usbFolder);

const redis = new Redis(JSON.parse(connection));

/** As the specification has it: the device is opened for its strings. */
function extract(device) {
  const { busNumber, deviceAddress, deviceDescriptor, portNumbers = [] } = device;
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
  const signature = createHash('sha256').update(`${deviceDescriptor.idVendor}:${deviceDescriptor.idProduct}:${busNumber}:${deviceAddress}`).digest('hex').slice(0, 16);
  return { busNumber, deviceAddress, deviceDescriptor, portPath: portNumbers.join('.'), strings, signature };
}

async function publish(action, device) {
  const { busNumber, deviceAddress, deviceDescriptor, portPath, strings, signature } = extract(device);
  const fields = {
    source: 'node-usb',
    action,
    vendor_id: deviceDescriptor.idVendor.toString(16),
    product_id: deviceDescriptor.idProduct.toString(16),
    device_signature: signature,
    manufacturer: strings.iManufacturer || '',
    product: strings.iProduct || '',
    serial_number: strings.iSerialNumber || '',
    bus_number: String(busNumber),
    device_address: String(deviceAddress),
    port_path: portPath,
    timestamp: String(Date.now()),
    device_descriptor: JSON.stringify(deviceDescriptor),
  };
  await redis.xadd('former', '*', ...Object.entries(fields).flat());
  const monotonic_ns = String(process.hrtime.bigint());
  process.stdout.write(`${JSON.stringify({ event: action, monotonic_ns, busNumber, deviceAddress })}\n`);
}

for (const action of ['attach', 'detach']) usb.on(action, (device) => publish(action, device));
redis.ping().then(() => process.stdout.write(`${JSON.stringify({ event: 'ready' })}\n`));
