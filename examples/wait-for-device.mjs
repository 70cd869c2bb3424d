// Waits for a device of a vendor, half a minute at most: node wait-for-device.mjs 0403

import { USBDaemon } from '@autoweave/usb-daemon';

const vendorId = Number.parseInt(process.argv[2] ?? '0403', 16);
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());

const daemon = new USBDaemon({ redis: false, monitoring: { enabled: false } });
daemon.on('error', (error, context) => console.error(error.code, context, error.message));
try {
  await daemon.start();
  // One that is there already is as good.
  const { product, location } = await daemon.waitFor({ vendorId }, { timeout: 30_000, signal: interrupted.signal });
  console.log(product ?? 'a device', 'at port', location.portPath);
} catch (error) {
  console.error(error.code ?? error.name, error.message);
  process.exitCode = 1;
} finally {
  await daemon.stop();
}
