// Prints each device that comes or goes, until Ctrl-C. Needs no Redis.

import { USBDaemon } from '@autoweave/usb-daemon';

const daemon = new USBDaemon({ redis: false, monitoring: { enabled: false } });
const hex = (id) => id.toString(16).padStart(4, '0');

daemon.on('device:attach', (device) => {
  const { vendorId, productId, product = 'unnamed', location, synthetic } = device;
  // `startup`: it was there before this program.
  console.log('attach', `${hex(vendorId)}:${hex(productId)}`, `port ${location.portPath}`, product, synthetic ?? '');
});
// The device has left, and all that was known of it is still said.
daemon.on('device:detach', ({ stableId }) => console.log('detach', stableId));
daemon.on('gap', ({ cause }) => console.log('gap', cause));
daemon.on('error', (error, context) => console.error(error.code, context, error.message));

await daemon.start();
process.once('SIGINT', () => daemon.stop());
process.once('SIGTERM', () => daemon.stop());
