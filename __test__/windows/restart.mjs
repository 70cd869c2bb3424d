// One run of a daemon that may have run before: says as JSON what it has told of once the devices of TEST_PRESENT are there.

import { USBDaemon } from '@autoweave/usb-daemon';

// Nobody could end a process that waits here for ever.
setTimeout(() => { throw new Error(`waited in vain: ${JSON.stringify(told)}`); }, 30_000).unref();

const daemon = new USBDaemon({ redis: false, monitoring: { enabled: false }, outbox: { path: process.env.TEST_OUTBOX, required: true } });
const told = [];
daemon.on('error', (error, context) => { throw Object.assign(error, { context }); });
for (const event of ['attach', 'detach']) daemon.on(`device:${event}`, ({ serialNumber, synthetic }) => told.push(`${event} ${serialNumber} ${synthetic}`));
await daemon.start();
// What has left is told before what is there.
for (const serialNumber of process.env.TEST_PRESENT.split(',')) await daemon.waitFor({ serialNumber });
await daemon.stop();
console.log(JSON.stringify(told));
