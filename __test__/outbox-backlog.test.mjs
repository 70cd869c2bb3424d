// A Redis that comes after the first ten thousand events: all of them go out at once, each once, about as fast as Redis takes them.

import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { stateFolder } from './command.mjs';
import { cycle, openDaemon } from './daemon.mjs';
import { freePort, seqsOf, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const EVENTS = 10_000;
const BATCH = 100;
/** Of what the same server takes from ioredis in pipelines of a hundred plain XADD, in the same run. */
const RATIO = 0.25;

/** Entries a second, by the server's own stamps. */
function rate(entries) {
  const [first, last] = [entries[0], entries.at(-1)].map(([id]) => Number(id.split('-')[0]));
  return (entries.length * 1000) / Math.max(1, last - first);
}

it(`${EVENTS} events that waited on disk for a Redis that was absent are in the stream within seconds, and none twice`, async () => {
  const port = await freePort();
  const outbox = { path: join(stateFolder(), 'outbox.db') };
  const daemon = openDaemon({ redis: { host: '127.0.0.1', port }, outbox, performance: { batch_size: BATCH } });
  await daemon.start();
  for (let at = 0; at < 10; at += 1) {
    cycle(daemon, EVENTS / 10);
    await daemon.heard.waitFor('device:detach', { count: ((at + 1) * EVENTS) / 20 });
  }
  await until(() => daemon.getHealth().outbox.seen === EVENTS, 'all to be stored');
  expect(daemon.getHealth().outbox).toMatchObject({ seen: EVENTS, waiting: EVENTS, published: 0, dropped: 0, durable: true });
  const server = await startRedis({ port });
  onTestFinished(() => server.close());
  const entries = await server.waitForEntries(EVENTS, { timeoutMs: 60_000 });
  expect(seqsOf(entries)).toEqual(upTo(EVENTS));
  await daemon.heard.waitFor('event:published', { count: EVENTS });
  expect(daemon.getHealth().outbox).toMatchObject({ published: EVENTS, waiting: 0 });

  for (let at = 0; at < EVENTS; at += BATCH) {
    const pipeline = server.client.pipeline();
    for (const [, fields] of entries.slice(at, at + BATCH)) pipeline.xadd('plain', '*', ...fields);
    await pipeline.exec();
  }
  const [ours, plain] = [rate(entries), rate(await server.entries('plain'))];
  console.log(`backlog: ${ours.toFixed(0)} events/s stored and exactly once, ${plain.toFixed(0)} events/s plain from ioredis, ratio ${(ours / plain).toFixed(2)}`);
  expect(ours / plain).toBeGreaterThan(RATIO);
});
