'use strict';

// npm `usb` 2, heard by the same clock as our observer: prints a line for each attach and detach.

const { usb } = require(process.argv[2]);

for (const event of ['attach', 'detach']) {
  usb.on(event, ({ busNumber, deviceAddress }) => {
    const monotonic_ns = String(process.hrtime.bigint());
    process.stdout.write(`${JSON.stringify({ event, monotonic_ns, busNumber, deviceAddress })}\n`);
  });
}
process.stdout.write(`${JSON.stringify({ event: 'ready' })}\n`);
