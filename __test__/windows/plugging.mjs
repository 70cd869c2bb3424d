// A daemon that hears what the system tells, and a file of devices that the bed's system has: some are there from the start, one comes,
// is replugged at once, and leaves. Says as JSON what the daemon has told.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { USBDaemon } from '@autoweave/usb-daemon';

// Nobody could end a process that waits here for ever.
setTimeout(() => { throw new Error(`waited in vain: ${JSON.stringify(told)}`); }, 30_000).unref();

const devices = new Map();
const write = () => writeFileSync(process.env.USB_BED_DEVICES, [...devices.values(), '.', ''].join('\n'));
const plug = (port, arrival, line) => devices.set(port, `${port} 046d ${line.split(' ')[0]} ${port + 1} ${arrival} ${line.slice(line.indexOf(' ') + 1)}`);

plug(1, 1, 'c31c K1 Keyboard');
write();
const daemon = new USBDaemon({ redis: false, monitoring: { enabled: false, interval: Number(process.env.TEST_INTERVAL) }, outbox: { path: process.env.TEST_OUTBOX, required: true } });
const told = [];
daemon.on('error', (error, context) => { throw Object.assign(error, { context }); });
for (const event of ['attach', 'detach']) daemon.on(`device:${event}`, (info) => told.push({ event, ...info }));
await daemon.start();
await daemon.waitFor({ serialNumber: 'K1' });

const come = () => once(daemon, 'device:attach');
const leave = () => once(daemon, 'device:detach');
const steps = [
  [come, () => plug(2, 2, 'c077 M1 Optical Mouse')],
  // Out and in again, before anybody has looked: a new attachment.
  [() => Promise.all([leave(), come()]), () => plug(2, 3, 'c077 M1 Optical Mouse')],
  [leave, () => devices.delete(2)],
];
for (const [expected, act] of steps) {
  const heard = expected();
  act();
  write();
  await heard;
}
const health = daemon.getHealth();
const present = daemon.getConnectedDevices();
await daemon.stop();
console.log(JSON.stringify({ told, present, health }));
