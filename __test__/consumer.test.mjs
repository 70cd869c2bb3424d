// USBEventConsumer against real servers: what it is given, what it acknowledges, and what becomes of the rest.

import { setTimeout as pause } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { add, consume, DEAD, GROUP, noneIsPending, openConsumer, pending, STREAM } from './consumers.mjs';
import { cycle, openDaemon, USBEventConsumer } from './daemon.mjs';
import { REDIS_VERSIONS, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

describe.each(REDIS_VERSIONS)('with Redis %s, a consumer', (version) => {
  let server;
  beforeEach(async () => {
    server = await startRedis({ version });
    return () => server.close();
  });

  it('gives each entry to the handler in order and acknowledges it', async () => {
    await add(server, upTo(50));
    const handled = consume(openConsumer(server));
    await until(() => handled.length === 50, '50 events');
    await add(server, ['last']);
    await until(() => handled.length === 51, 'one more event');
    expect(handled).toEqual([...upTo(50).map(String), 'last']);
    await noneIsPending(server);
  });

  it('begins with what comes from now on, unless told otherwise', async () => {
    await add(server, ['before']);
    const consumer = openConsumer(server, { start_at: undefined });
    const handled = consume(consumer);
    await until(() => consumer.told.states.length > 0, 'a connection');
    await add(server, ['after']);
    await until(() => handled.length > 0, 'an event');
    expect(handled).toEqual(['after']);
  });

  it('acknowledges only after the handler has resolved, and has one event with it at a time', async () => {
    await add(server, upTo(5));
    let release;
    let inFlight = 0;
    const handled = consume(openConsumer(server), async () => {
      inFlight += 1;
      await new Promise((resolve) => {
        release = resolve;
      });
      inFlight -= 1;
    });
    for (let done = 0; done < 5; done += 1) {
      await until(() => inFlight === 1, 'a handler at work');
      await until(async () => (await pending(server)).length === 5 - done, `${5 - done} pending entries`);
      release();
      await until(() => handled.length === done + 1, 'the handler to end');
    }
    await noneIsPending(server);
  });

  it('has as many handlers in flight as it may, and no more', async () => {
    await add(server, upTo(30));
    let inFlight = 0;
    let most = 0;
    const handled = consume(openConsumer(server, { concurrency: 4 }), async () => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      await pause(5);
      inFlight -= 1;
    });
    await until(() => handled.length === 30, '30 events');
    expect(most).toBe(4);
    expect([...handled].sort((one, other) => one - other)).toEqual(upTo(30).map(String));
  });

  it('takes up what it left before its restart, in order and before anything else, and forgets what was deleted', async () => {
    await add(server, upTo(8));
    const first = openConsumer(server, { max_attempts: 1000 });
    const handled = consume(first, ({ product }) => {
      if (product === '3') throw new Error('not yet');
    });
    await until(() => handled.length === 2, 'two events');
    await first.stop();
    const left = await pending(server);
    expect(left.length).toBeGreaterThan(1);
    await server.client.xdel(STREAM, left[1][0]);
    await add(server, ['new']);
    const again = consume(openConsumer(server));
    await until(() => again.length === 6, 'the other events');
    expect(again).toEqual(['3', '5', '6', '7', '8', 'new']);
    await noneIsPending(server);
  });

  it('finishes the handler in flight when it is stopped, hands over nothing further, and then ends', async () => {
    await add(server, upTo(5));
    const consumer = openConsumer(server);
    let release;
    const seen = [];
    const ended = consumer.startConsuming(({ product }) => {
      seen.push(product);
      return new Promise((resolve) => {
        release = resolve;
      });
    });
    await until(() => release, 'a handler at work');
    let isStopped = false;
    const stopped = consumer.stop().then(() => {
      isStopped = true;
    });
    await pause(200);
    expect([isStopped, consumer.isRunning]).toEqual([false, false]);
    release();
    await Promise.all([stopped, ended]);
    expect(seen).toEqual(['1']);
    expect((await pending(server)).map(([id]) => id)).toEqual((await server.entries()).slice(1).map(([id]) => id));
    await expect(consumer.startConsuming(() => {})).rejects.toMatchObject({ code: 'ERR_USB_CONSUMER' });
  });

  it("reads the daemon's own entries as events with all their fields", async () => {
    const daemon = openDaemon({ redis: { host: '127.0.0.1', port: server.port } });
    await daemon.start();
    cycle(daemon, 2);
    const events = [];
    consume(openConsumer(server), (event) => events.push(event));
    await until(() => events.length === 2, 'both events');
    const [{ signature, eventId, deviceDescriptor, location, timestamp, stableId }] = daemon.heard.of('device:attach');
    expect(events[0]).toMatchObject({ action: 'attach', source: 'node-usb', deviceSignature: signature, eventId, deviceDescriptor, location, timestamp, stableId, seq: 1, vendorId: 0x046d, productId: 0xc31c, product: 'Keyboard', serialNumber: '0', manufacturer: '', backend: 'simulated', partial: false });
    expect(events[1]).toMatchObject({ action: 'detach', seq: 2 });
    expect(events[0].messageId).toMatch(/^\d+-\d+$/);
  });
});

describe('a consumer', () => {
  it('names what is wrong with its options', () => {
    const open = (...args) => () => new USBEventConsumer(...args);
    expect(open({ prot: 1 })).toThrow(expect.objectContaining({ code: 'ERR_USB_CONFIG', message: expect.stringContaining('prot') }));
    expect(open({}, '')).toThrow(/groupName is "": expected a text that is not empty/);
    expect(open({}, 'g', 'c', { concurrency: 0 })).toThrow(/options\.concurrency is 0: expected a whole number from 1 to 1000/);
    expect(open({}, 'g', 'c', { start_at: 'now' })).toThrow(/start_at is "now"/);
    expect(open({}, 'g', 'c', { claim_idle_ms: 300 })).toThrow(/options\.claim_idle_ms is 300: expected 0 or a whole number from 1000 to 86400000/);
    return expect(new USBEventConsumer({}).startConsuming('handler')).rejects.toThrow(/takes a function/);
  });
});
