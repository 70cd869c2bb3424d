// Starts a plugin for each device that its manifest names, and stops it when the device leaves.

import { USBDaemon } from '@autoweave/usb-daemon';

const manifests = [
  { name: 'keyboards and mice', match: { device_classes: [0x03] } },
  { name: 'serial adapters', match: { vendor_ids: ['0x0403'], product_ids: ['0x6001', '0x6015'] } },
];

const daemon = new USBDaemon({ redis: false, monitoring: { enabled: false } });
daemon.on('error', (error, context) => console.error(error.code, context, error.message));
for (const { name, match } of manifests) {
  daemon.dispatch(match, {
    onAttach: (device) => console.log(`start ${name}: ${device.stableId}`),
    onDetach: (device) => console.log(`stop ${name}: ${device.stableId}`),
  });
}

await daemon.start();
process.once('SIGINT', () => daemon.stop());
process.once('SIGTERM', () => daemon.stop());
