// Many daemons in one process, each with devices of its own and an outbox: simulated producers. On stdin: how many events to tell of, and
// how fast; answered once all of them are in the stream.

'use strict';

const USBDaemon = require('../package.cjs');

const { first, count, redis } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const fail = ({ code, message }) => process.stderr.write(`${code}: ${message}\n`);
const daemons = Array.from({ length: count }, (_, at) => {
  const daemon = new USBDaemon({
    sources: ['simulated'],
    monitoring: { enabled: false },
    redis,
    outbox: { path: null },
    performance: { max_events_per_second: 0, batch_size: 100 },
  });
  daemon.on('error', fail);
  return { daemon, name: `producer-${first + at}`, told: 0 };
});

/** One transition: a device comes, and leaves at the next one. */
function transit(producer) {
  const { daemon, told } = producer;
  const name = `201-1.${1 + ((told >> 1) % 100)}`;
  if (told % 2 === 0) daemon.simulateAttach({ name, vendorId: 0x046d, productId: 0xc31c, product: producer.name, serialNumber: String(told) });
  else daemon.simulateDetach(name);
  producer.told += 1;
}

const published = () => daemons.reduce((sum, { daemon }) => sum + daemon.getHealth().outbox.published, 0);
const usage = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** `perSecond` events of this process, or all of them at once where that is 0. */
async function tell({ events, perSecond }) {
  const target = published() + events;
  const before = usage();
  const start = performance.now();
  for (let told = 0; told < events; ) {
    const due = perSecond === 0 ? told + 1_000 : Math.floor(((performance.now() - start) / 1_000) * perSecond);
    for (; told < Math.min(events, due); told += 1) transit(daemons[told % daemons.length]);
    await pause(perSecond === 0 ? 0 : 2);
  }
  while (published() < target) await pause(5);
  say({ cpuMicros: usage() - before });
}

async function main() {
  global.gc?.();
  const bare = process.memoryUsage().rss;
  await Promise.all(daemons.map(({ daemon }) => daemon.start()));
  await Promise.all(daemons.map(async ({ daemon }) => {
    while (!daemon.getHealth().redis?.connected) await pause(10);
  }));
  say({ rss: process.memoryUsage().rss - bare });
  let input = '';
  for await (const chunk of process.stdin) {
    input += chunk;
    for (let end; (end = input.indexOf('\n')) !== -1; input = input.slice(end + 1)) await tell(JSON.parse(input.slice(0, end)));
  }
  await Promise.all(daemons.map(({ daemon }) => daemon.stop()));
}

main();
