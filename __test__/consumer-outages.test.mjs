// A consumer whose server goes away, comes back, forgets, refuses or loses replies: nothing that it was given is lost.

import { setTimeout as pause } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { seeded } from './chaos/seeded.mjs';
import { add, consume, emptiedAndMadeAnew, holding, looksInHand, noneIsPending, openConsumer, pending, startedRedis, STREAM } from './consumers.mjs';
import { openProxy } from './cutting-proxy.mjs';
import { freePort, REDIS_VERSIONS, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

describe.each(REDIS_VERSIONS)('with Redis %s, a consumer', (version) => {
  let server;
  beforeEach(async () => {
    server = await startRedis({ version });
    return () => server.close();
  });

  it('goes on after an outage, and handles what came meanwhile', async () => {
    const lasting = await startedRedis({ version, args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    await add(lasting, upTo(3));
    const consumer = openConsumer(lasting);
    const handled = consume(consumer);
    await until(() => handled.length === 3, 'three events');
    await noneIsPending(lasting);
    await lasting.kill();
    await until(() => consumer.told.states.at(-1).connected === false, 'the loss to be told');
    expect(consumer.told.states.at(-1).reason).toMatch(/refused|closed/);
    await lasting.start();
    await add(lasting, ['after']);
    await until(() => handled.length === 4, 'the event after the outage');
    expect(handled).toEqual(['1', '2', '3', 'after']);
    // A server that still loads, or refuses, are states of their own.
    const turns = consumer.told.states.map(({ connected }) => connected).filter((connected, at, all) => connected !== all[at - 1]);
    expect(turns).toEqual([true, false, true]);
    expect(consumer.told.errors).toEqual([]);
  });

  for (const [how, empty] of [
    ['is emptied while it runs', async () => server.client.flushall()],
    ['comes back empty', async () => {
      await server.kill();
      await server.start();
    }],
  ]) {
    it(`misses nothing where the server ${how}: the group is made anew from the beginning, and that is told`, async () => {
      await add(server, upTo(3));
      const consumer = openConsumer(server);
      const handled = consume(consumer);
      await until(() => handled.length === 3, 'three events');
      await empty();
      await add(server, ['at once', 'and then']);
      await until(() => handled.length === 5, 'what came after');
      expect(handled.slice(3)).toEqual(['at once', 'and then']);
      expect(consumer.told.errors.map(({ code }) => code)).toEqual(['ERR_USB_REDIS_RESET']);
    });
  }

  it('handles what it has read ahead although the server is emptied meanwhile', async () => {
    await add(server, upTo(8));
    const consumer = openConsumer(server, { claim_idle_ms: 1000 });
    const held = holding();
    const handled = consume(consumer, held.handler);
    await until(async () => held.given.length > 0 && (await pending(server)).length === 8, 'all to be in hand');
    await server.client.flushall();
    await until(() => consumer.told.errors.length > 0, 'the loss of the group to be told');
    await looksInHand(server, 3);
    held.release();
    await until(() => handled.length >= 8, 'all that was read ahead');
    expect(handled).toEqual(upTo(8).map(String));
  });

  it('handles what it has read ahead although another member has made the group anew before it noticed', async () => {
    await add(server, upTo(8));
    const consumer = openConsumer(server, { claim_idle_ms: 1000 });
    const held = holding();
    const handled = consume(consumer, held.handler);
    await until(async () => held.given.length > 0 && (await pending(server)).length === 8, 'all to be in hand');
    await emptiedAndMadeAnew(server);
    await looksInHand(server, 3);
    held.release();
    await until(() => handled.length >= 8, 'all that was read ahead');
    expect(handled).toEqual(upTo(8).map(String));
  });
});

describe('a consumer', () => {
  it('handles each entry at least once, and leaves none pending, where replies are lost and packets cut in half', async () => {
    const server = await startedRedis();
    const proxy = await openProxy(server.port);
    const random = seeded();
    // Entries and acknowledgements; what is cut while it connects is just an outage.
    proxy.losesReply = (reply) => (reply.includes('product') || /^:\d/.test(reply)) && random.next() < 0.2;
    proxy.losesHalf = (packet) => packet.includes('XACK') && random.next() < 0.2;
    const handled = consume(openConsumer(proxy, { claim_idle_ms: 1000 }));
    let added = 0;
    while (proxy.cuts < 6) {
      await add(server, [added + 1, added + 2, added + 3]);
      added += 3;
      await until(() => handled.includes(String(added)), `entry ${added}`);
    }
    proxy.losesReply = () => false;
    proxy.losesHalf = () => false;
    await noneIsPending(server);
    expect([...new Set(handled)].map(Number).sort((one, other) => one - other)).toEqual(upTo(added));
  });

  it('bounds what waits for Redis where it may not acknowledge', async () => {
    const server = await startedRedis();
    await server.client.acl('SETUSER', 'reader', 'on', '>secret', '~*', '+@all', '-xack');
    const pipeline = server.client.pipeline();
    for (const product of upTo(5000)) pipeline.xadd(STREAM, '*', 'action', 'attach', 'vendor_id', '1', 'product_id', '2', 'product', product);
    await pipeline.exec();
    const consumer = openConsumer(server, { redis: { username: 'reader', password: 'secret' } });
    const handled = consume(consumer);
    await until(() => consumer.told.states.some(({ connected }) => !connected), 'the refusal to be told');
    // Long enough to have read on, were there no bound.
    await pause(1000);
    expect(handled.length).toBeLessThan(1500);
    expect(consumer.told.states.length).toBeLessThan(30);
    await server.client.acl('SETUSER', 'reader', '+xack');
    await until(() => handled.length >= 5000, 'the rest');
    expect(handled).toEqual(upTo(5000).map(String));
  });

  it('waits for a server that is not there yet', async () => {
    const port = await freePort();
    const consumer = openConsumer({ port });
    const handled = consume(consumer);
    await until(() => consumer.told.states.length > 0, 'the state to be told');
    expect(consumer.told.states).toEqual([{ connected: false, address: `127.0.0.1:${port}`, reason: expect.stringMatching(/refused/) }]);
    const server = await startedRedis({ port });
    await add(server, ['one']);
    await until(() => handled.length === 1, 'the event');
  });
});
