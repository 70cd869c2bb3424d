// A daemon as it is without being told which sources to have: started, looked at, and stopped. Says as JSON what it has told of itself.
// With TEST_UNTIL it runs until that file is there. (Node in Wine cannot connect to anything, so whoever asks it over HTTP is outside.)

import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { USBDaemon } from '@autoweave/usb-daemon';

const { TEST_OUTBOX, TEST_PORT, TEST_UNTIL } = process.env;
const outbox = { path: TEST_OUTBOX, required: true };
const monitoring = TEST_PORT ? { enabled: true, host: '127.0.0.1', healthcheck_port: Number(TEST_PORT) } : { enabled: false };

/** Nobody could end a process that waits here for ever. */
async function until(holds) {
  const deadline = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${holds}`);
    await pause(20);
  }
}

const daemon = new USBDaemon({ redis: false, monitoring, outbox });
const errors = [];
daemon.on('error', ({ code, message }) => errors.push({ code, message }));
await daemon.start();
// What hangs is told once it has been waited for.
await until(() => ['snapshot', 'watcher'].every((name) => daemon.getHealth().sources.some(({ source, state }) => source === name && state !== 'starting')));
// Its outbox is its own as long as it runs.
const second = new USBDaemon({ redis: false, monitoring: { enabled: false }, outbox });
const refused = await second.start().then(() => null, ({ code, message }) => ({ code, message }));
if (TEST_UNTIL) await until(() => existsSync(TEST_UNTIL));
const health = daemon.getHealth();
await daemon.stop();
console.log(JSON.stringify({ health, refused, errors }));
