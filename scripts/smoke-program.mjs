// What a new project does with the installed package: a daemon with an outbox tells of a device that comes and goes. Says as JSON what it
// has seen, whether that is on disk, and which addon did it. Copied into the project, so that nothing but its packages can be found.

import { USBDaemon } from '@autoweave/usb-daemon';

const daemon = new USBDaemon({ sources: ['simulated'], redis: false, monitoring: { enabled: false }, outbox: { path: 'outbox.db', required: true } });
const seen = [];
daemon.on('error', (error, context) => { throw Object.assign(error, { context }); });
daemon.on('device:attach', ({ product }) => seen.push(`attach ${product}`));
daemon.on('device:detach', ({ product }) => seen.push(`detach ${product}`));
await daemon.start();
daemon.simulateAttach({ name: '201-1', product: 'Mouse' });
await daemon.waitFor({ portPath: '1' });
const gone = new Promise((resolve) => daemon.once('device:detach', resolve));
daemon.simulateDetach('201-1');
await gone;
const { durable } = daemon.getStats().outbox;
await daemon.stop();
const addon = process.report.getReport().sharedObjects.filter((file) => file.endsWith('.node') && file.includes('usb-daemon'));
console.log(JSON.stringify({ seen, durable, arch: process.arch, addon }));
