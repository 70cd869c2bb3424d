'use strict';

// A small program that uses most of the package, for other runtimes than the one that runs the tests: prints one line of
// JSON for each step, and ends by itself once the daemon has stopped. Its argument is the port of a Redis server.

const { once } = require('node:events');
const { USBDaemon, USBEventPublisher } = require('../..');

function say(step, value) {
  process.stdout.write(`${JSON.stringify({ step, value })}\n`);
}

/** What a program that uses `usb` has in its hands. */
const KEYBOARD = {
  busNumber: 7,
  deviceAddress: 5,
  portNumbers: [3],
  deviceDescriptor: { idVendor: 0x046d, idProduct: 0xc31c, bDeviceClass: 0, bDeviceSubClass: 0, bDeviceProtocol: 0, iProduct: 2 },
  open() {},
  close() {},
  getStringDescriptor(index, callback) {
    setImmediate(callback, undefined, 'Keyboard');
  },
};

(async () => {
  const redis = { host: '127.0.0.1', port: Number(process.argv[2]) };
  const daemon = new USBDaemon({ sources: ['simulated'], redis, monitoring: { enabled: false } });
  const published = new Promise((resolve) => {
    const seen = [];
    daemon.on('event:published', (event) => {
      seen.push(event);
      if (seen.length === 4) resolve(seen);
    });
  });
  await daemon.start();
  say('started', daemon.isRunning);

  const coming = daemon.events();
  const attached = once(daemon, 'device:attach');
  daemon.simulateAttach({ name: '201-1', vendorId: 0x1234, productId: 0xabcd, serialNumber: 'S1' });
  const [device] = await attached;
  say('attach', [device.vendorId, device.productId, device.serialNumber, device.backend]);
  const detached = once(daemon, 'device:detach');
  daemon.simulateDetach('201-1');
  say('detach', (await detached)[0].deviceSignature === device.deviceSignature);
  const told = [];
  for await (const { type } of coming) {
    told.push(type);
    if (told.length === 2) break;
  }
  say('events', told);

  await daemon.handleDeviceAttach(KEYBOARD);
  say('handleDeviceAttach', [...daemon.connectedDevices.values()].map(({ product, location }) => [product, location.busNumber]));
  await daemon.handleDeviceDetach(KEYBOARD);
  say('handleDeviceDetach', daemon.connectedDevices.size);
  say('published', (await published).map(({ action, eventId }) => `${action} ${eventId.split(':')[1]}`));

  const publisher = new USBEventPublisher(redis);
  const entries = await publisher.getRecentEvents(10);
  say('getRecentEvents', entries.length);
  await publisher.close();

  const refused = await Promise.resolve().then(() => new USBDaemon({ redis: { port: 'x' } })).catch((error) => error);
  say('refusal', [refused instanceof Error, refused.code]);

  await daemon.stop();
  say('stopped', [daemon.isRunning, daemon.getConnectedDevices().length]);
})();
