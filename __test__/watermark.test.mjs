// What surrounds the watermark: keys that go missing, rights that are withdrawn, a stream longer than it may be, a sign of life
// that goes with its daemon, and a run without Redis.

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { stateFolder } from './command.mjs';
import { cycle, openDaemon } from './daemon.mjs';
import { REDIS_VERSIONS, seqsOf, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const STREAM = 'aw:hotplug';

async function startedRedis(options) {
  const server = await startRedis(options);
  onTestFinished(() => server.close());
  return server;
}

function daemonAt({ port }, { redis = {}, ...config } = {}) {
  return openDaemon({ redis: { host: '127.0.0.1', port, ...redis }, ...config });
}

async function publishes(daemon, count) {
  const before = daemon.heard.of('event:published').length;
  cycle(daemon, count);
  await daemon.heard.waitFor('event:published', { count: before + count });
}

function errors(daemon) {
  return daemon.heard.of('error').map(({ code }) => code);
}

describe('a watermark', () => {
  it('that was evicted is set again, and nothing is published twice, even where a reset means a replay', async () => {
    const server = await startedRedis();
    const daemon = daemonAt(server, { redis: { on_reset: 'replay' } });
    await daemon.start();
    await publishes(daemon, 20);
    const [key] = await server.client.keys(`{${STREAM}}:producer:[0-9a-f]*`);
    await server.client.del(key);
    const [own] = (await server.client.client('LIST')).split('\n').filter((line) => !line.includes('cmd=client'));
    await server.client.client('KILL', 'ID', /id=(\d+)/.exec(own)[1]);
    await publishes(daemon, 2);
    expect(seqsOf(await server.entries())).toEqual(upTo(22));
    expect(await server.client.get(key)).toBe('22');
    expect(errors(daemon)).toEqual([]);
  });

  it('that may no longer be kept is told by health, too', async () => {
    const server = await startedRedis();
    await server.client.acl('SETUSER', 'usb', 'on', 'nopass', '~*', '+@all');
    const daemon = daemonAt(server, { redis: { username: 'usb', password: 'any' } });
    await daemon.start();
    await daemon.heard.waitFor('redis:state', { match: ({ delivery }) => delivery === 'exactly-once' });
    await server.client.acl('SETUSER', 'usb', '-set');
    await publishes(daemon, 2);
    await daemon.heard.waitFor('redis:state', { match: ({ delivery }) => delivery === 'at-least-once' });
    expect(daemon.getHealth().redis.delivery).toBe('at-least-once');
  });
});

describe('a stream that is longer than redis.maxlen', () => {
  it('is trimmed without blame for a group that is not behind', async () => {
    const server = await startedRedis();
    const pipeline = server.client.pipeline();
    for (let at = 0; at < 25_000; at += 1) pipeline.xadd(STREAM, '*', 'action', 'attach');
    await pipeline.exec();
    await server.client.xgroup('CREATE', STREAM, 'prompt', '$');
    const daemon = daemonAt(server, { redis: { maxlen: 100 }, monitoring: { enabled: false, interval: 86_400_000 } });
    await daemon.start();
    await until(async () => (await server.client.xlen(STREAM)) === 100, 'the stream to be trimmed');
    expect(errors(daemon)).toEqual([]);
  });

  it.each(REDIS_VERSIONS)('will be, and the group that is in the way is named before it is, with Redis %s', async (version) => {
    const server = await startedRedis({ version });
    await server.client.xgroup('CREATE', STREAM, 'asleep', '$', 'MKSTREAM');
    const daemon = daemonAt(server, { redis: { maxlen: 100 }, monitoring: { enabled: false, interval: 20 } });
    await daemon.start();
    await publishes(daemon, 90);
    const [error] = await daemon.heard.waitFor('error');
    expect(error).toMatchObject({ code: 'ERR_USB_LAG', message: expect.stringMatching(/"asleep" is behind.*beyond redis\.maxlen, 100, the stream will not be trimmed/) });
    await publishes(daemon, 20);
    await daemon.heard.waitFor('error', { count: 2 });
    expect(daemon.heard.of('error')[1].message).toMatch(/"asleep" is behind.*the stream has 1\d\d entries and is not trimmed/);
    expect(await server.client.xlen(STREAM)).toBe(110);
  });
});

describe('a stop', () => {
  it('takes the sign of life away, each time', async () => {
    const server = await startedRedis();
    const daemon = daemonAt(server);
    for (let round = 0; round < 10; round += 1) {
      await daemon.start();
      await daemon.heard.waitFor('redis:state', { match: ({ connected }) => connected, count: round + 1 });
      await daemon.stop();
      const [key] = await server.client.keys(`{${STREAM}}:producer:live:*`);
      expect(key ? await server.client.hlen(key) : 0).toBe(0);
    }
  });

  it('does not wait for the answer of a frozen server where nothing is left to publish', async () => {
    const server = await startedRedis();
    const daemon = daemonAt(server, { redis: { timeout_ms: 600_000 }, shutdown_ms: 500 });
    await daemon.start();
    await publishes(daemon, 2);
    server.signal('SIGSTOP');
    const stopped = await Promise.race([daemon.stop().then(() => 'stopped'), pause(60_000, 'still waiting', { ref: false })]);
    server.signal('SIGCONT');
    expect(stopped).toBe('stopped');
  }, 90_000);
});

describe('a run without Redis', () => {
  it('leaves what waits for Redis, and what it adds goes out behind it', async () => {
    const outbox = { path: join(stateFolder(), 'outbox.db') };
    const server = await startedRedis();
    await server.kill();
    const first = daemonAt(server, { outbox, shutdown_ms: 1 });
    await first.start();
    cycle(first, 10);
    await first.heard.waitFor('device:detach', { count: 5 });
    await first.stop();
    const without = openDaemon({ redis: false, outbox });
    await without.start();
    cycle(without, 4);
    await without.heard.waitFor('device:detach', { count: 2 });
    expect(without.getHealth().outbox).toMatchObject({ carriedOver: 10, dropped: 0 });
    await without.stop();
    await server.start();
    const last = daemonAt(server, { outbox });
    await last.start();
    await last.heard.waitFor('event:published', { count: 14 });
    expect(seqsOf(await server.entries())).toEqual(upTo(14));
  });
});
