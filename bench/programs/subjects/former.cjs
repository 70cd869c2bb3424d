'use strict';

// The path that this package takes the place of: npm `usb` 2 hears, ioredis adds the specification's fields. An event counts once Redis has
// acknowledged its entry.

const { createHash } = require('node:crypto');

/** As the specification has it: the device is opened, asked for its strings, and closed, and published when the last one has come. */
async function extract(device) {
  const { busNumber, deviceAddress, deviceDescriptor, portNumbers = [] } = device;
  const strings = {};
  try {
    device.open();
    const wanted = ['iManufacturer', 'iProduct', 'iSerialNumber'].filter((name) => deviceDescriptor[name]);
    await Promise.all(wanted.map(async (name) => (strings[name] = await stringOf(device, deviceDescriptor[name]))));
    device.close();
  } catch {
    // It may have left, or be somebody else's. The specification lets the event turn into an error then; here it is published all the same.
  }
  const signature = createHash('sha256').update(`${deviceDescriptor.idVendor}:${deviceDescriptor.idProduct}:${busNumber}:${deviceAddress}`).digest('hex').slice(0, 16);
  return { busNumber, deviceAddress, deviceDescriptor, portPath: portNumbers.join('.'), strings, signature };
}

function stringOf(device, index) {
  return new Promise((resolve) => device.getStringDescriptor(index, (error, text) => resolve(error ? '' : text)));
}

exports.start = async ({ peers, redis: connection }, note) => {
  const { usb } = require(`${peers}/usb2`);
  const Redis = require(`${peers}/ioredis`);
  const redis = new Redis(connection);

  async function publish(action, device) {
    const { busNumber, deviceAddress, deviceDescriptor, portPath, strings, signature } = await extract(device);
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
    note(action === 'attach' ? 0 : 1, busNumber, deviceAddress);
  }

  await redis.ping();
  for (const action of ['attach', 'detach']) usb.on(action, (device) => publish(action, device));
};
