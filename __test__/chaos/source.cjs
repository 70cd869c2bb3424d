// A daemon in a process of its own that can be killed: takes transitions on stdin, says on stdout when they are stored.

'use strict';

const { createInterface } = require('node:readline');
const { USBDaemon } = require('../..');

const daemon = new USBDaemon(JSON.parse(process.argv[2]));
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** True once every event that has been told is stored. The law of the accounts is checked at each look. */
function isStored() {
  const { outbox, events } = daemon.getHealth();
  const { carriedOver, seen, published, filtered, waiting, dropped } = outbox;
  if (carriedOver + seen !== published + filtered + waiting + dropped) say({ unbalanced: outbox });
  return seen === events;
}

async function until(holds) {
  while (!holds()) await new Promise(setImmediate);
}

async function main() {
  let told = 0;
  daemon.on('device:attach', () => (told += 1));
  // What the process before had attached ends with it: nobody sent that.
  daemon.on('device:detach', ({ synthetic }) => (told += synthetic ? 0 : 1));
  daemon.on('error', ({ code, message }, context) => say({ error: { code, message, context } }));
  daemon.on('gap', (gap) => say({ gap }));
  await daemon.start();
  const looking = setInterval(isStored, 5);
  say({ started: process.pid });
  let sent = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    const { transitions, drain } = JSON.parse(line);
    for (const { action, ...device } of transitions ?? []) {
      if (action === 'attach') daemon.simulateAttach(device);
      else daemon.simulateDetach(device.name);
    }
    sent += transitions?.length ?? 0;
    await until(() => told >= sent && isStored());
    if (drain) await until(() => daemon.getHealth().outbox.waiting === 0);
    say({ stored: transitions?.length ?? 0, outbox: daemon.getHealth().outbox });
    if (drain) break;
  }
  clearInterval(looking);
  await daemon.stop();
  say({ stopped: true });
  process.exit(0);
}

main();
