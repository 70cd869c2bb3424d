'use strict';

// The path that this package takes the place of: npm `usb` 2 hears, ioredis adds the specification's fields. An event counts once Redis has
// acknowledged its entry.

const { entryOf } = require('../../../__test__/former-entry.cjs');

/** As the specification has it: the device is opened, asked for its strings, and closed, and published when the last one has come. */
async function stringsOf(device) {
  const { deviceDescriptor } = device;
  const strings = {};
  try {
    device.open();
    const wanted = ['iManufacturer', 'iProduct', 'iSerialNumber'].filter((name) => deviceDescriptor[name]);
    await Promise.all(wanted.map(async (name) => (strings[name] = await stringOf(device, deviceDescriptor[name]))));
    device.close();
  } catch {
    // It may have left, or be somebody else's. The specification lets the event turn into an error then; here it is published all the same.
  }
  return strings;
}

function stringOf(device, index) {
  return new Promise((resolve) => device.getStringDescriptor(index, (error, text) => resolve(error ? '' : text)));
}

exports.start = async ({ peers, redis: connection }, note) => {
  const { usb } = require(`${peers}/usb2`);
  const Redis = require(`${peers}/ioredis`);
  const redis = new Redis(connection);

  async function publish(action, device) {
    await redis.xadd('former', '*', ...entryOf(action, device, await stringsOf(device)));
    note(action === 'attach' ? 0 : 1, device.busNumber, device.deviceAddress);
  }

  await redis.ping();
  for (const action of ['attach', 'detach']) usb.on(action, (device) => publish(action, device));
};
