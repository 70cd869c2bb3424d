// What goes to Redis at a time: performance.batch_size, counted by the server itself.

import { expect, it, onTestFinished } from 'vitest';
import { cycle, openDaemon } from './daemon.mjs';
import { seqsOf, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const EVENTS = 1_000;

/** How many XADD each transaction had that the server has executed, in their order, and how many were in none. */
async function watchTransactions(server) {
  const monitor = await server.client.monitor();
  onTestFinished(() => monitor.disconnect());
  const said = [];
  monitor.on('monitor', (time, args) => said.push(args[0].toLowerCase()));
  return {
    get sizes() {
      const sizes = [];
      for (const name of said) {
        if (name === 'multi') sizes.push(0);
        else if (name === 'xadd') sizes[sizes.length - 1] += 1;
      }
      return sizes.filter((size) => size > 0);
    },
    get outside() {
      let inside = false;
      return said.filter((name) => {
        if (name === 'multi' || name === 'exec') inside = name === 'multi';
        return name === 'xadd' && !inside;
      }).length;
    },
    get count() {
      return said.filter((name) => name === 'xadd').length;
    },
  };
}

it.each([1, 10, 100])('a publish carries %d events where batch_size says so and as many wait, and never more', async (batch_size) => {
  const server = await startRedis();
  onTestFinished(() => server.close());
  const daemon = openDaemon({ redis: { host: '127.0.0.1', port: server.port, timeout_ms: 60_000 }, performance: { batch_size } });
  await daemon.start();
  await daemon.heard.waitFor('redis:state', { match: ({ connected }) => connected });
  const transactions = await watchTransactions(server);
  // All of them wait before the server takes the first batch that may be full.
  server.signal('SIGSTOP');
  cycle(daemon, EVENTS);
  await until(() => daemon.getHealth().outbox.seen === EVENTS, 'all events to be stored');
  server.signal('SIGCONT');
  await daemon.heard.waitFor('event:published', { count: EVENTS });
  await until(() => transactions.count === EVENTS, 'the server to say so');
  expect(transactions.outside).toBe(0);
  expect(transactions.sizes.filter((size) => size > batch_size)).toEqual([]);
  // The first may have left before the others had come, and the last takes what is left.
  expect(transactions.sizes.filter((size) => size < batch_size).length).toBeLessThanOrEqual(2);
  expect(transactions.sizes).toContain(batch_size);
  expect(seqsOf(await server.entries())).toEqual(upTo(EVENTS));
});
