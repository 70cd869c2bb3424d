// USBEventConsumer against real servers: what it is given, what it acknowledges, and what becomes of the rest.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { cycle, openDaemon, packageRoot, USBEventConsumer } from './daemon.mjs';
import { fieldsOf, freePort, REDIS_VERSIONS, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const STREAM = 'aw:hotplug';
const DEAD = '{aw:hotplug}:dead';
const GROUP = 'plugin-loader';

/** A consumer that is stopped when the test ends, with what it has told. */
function openConsumer(server, { name = 'main', group = GROUP, redis = {}, ...options } = {}) {
  const consumer = new USBEventConsumer({ host: '127.0.0.1', port: server.port, timeout_ms: 500, ...redis }, group, name, { start_at: '0', retry_ms: 1, ...options });
  const told = { errors: [], dead: [], states: [] };
  consumer.on('error', (error) => told.errors.push(error));
  consumer.on('dead', (letter) => told.dead.push(letter));
  consumer.on('redis:state', (state) => told.states.push(state));
  onTestFinished(() => consumer.stop());
  return Object.assign(consumer, { told });
}

/** Starts to consume; gives the list of the product names of events that the handler has finished with. */
function consume(consumer, handler = async () => {}) {
  const handled = [];
  const done = consumer.startConsuming(async (event) => {
    await handler(event);
    handled.push(event.product);
  });
  done.catch(() => {});
  return handled;
}

/** Adds entries as a simple program would, each told apart by its product's name. */
async function add(server, products, fields = {}) {
  for (const product of products) {
    const entry = { action: 'attach', vendor_id: '46d', product_id: 'c31c', product: String(product), ...fields };
    await server.client.xadd(STREAM, '*', ...Object.entries(entry).flat());
  }
}

async function pending(server, group = GROUP) {
  return server.client.xpending(STREAM, group, '-', '+', 1000);
}

function noneIsPending(server) {
  return until(async () => (await pending(server)).length === 0, 'an empty list of pending entries');
}

async function startedRedis(options) {
  const server = await startRedis(options);
  onTestFinished(() => server.close());
  return server;
}

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

  it('retries a handler that rejects, then writes a dead letter with the reason, and the rest goes on', async () => {
    await add(server, ['good', 'bad', 'better']);
    const tries = [];
    const consumer = openConsumer(server, { max_attempts: 3, retry_ms: 20 });
    const handled = consume(consumer, async ({ product }) => {
      if (product !== 'bad') return;
      tries.push(performance.now());
      throw new Error('no driver for it');
    });
    await until(() => handled.length === 2 && consumer.told.dead.length === 1, 'two events and a dead letter');
    expect(handled).toEqual(['good', 'better']);
    expect(tries).toHaveLength(3);
    // Each pause is twice the one before.
    expect((tries[2] - tries[1]) / (tries[1] - tries[0])).toBeGreaterThan(1.2);
    const [letter] = await server.entries(DEAD);
    const [, [id]] = await server.entries();
    expect(consumer.told.dead).toEqual([{ messageId: id, reason: 'no driver for it', attempts: 3 }]);
    expect(fieldsOf(letter)).toMatchObject({ dead_entry_id: id, dead_group: GROUP, dead_consumer: 'main', dead_attempts: '3', dead_reason: 'no driver for it', product: 'bad', vendor_id: '46d' });
    await noneIsPending(server);
  });

  it('takes a handler that succeeds at its second try for done', async () => {
    await add(server, ['shy', 'next']);
    let tries = 0;
    const consumer = openConsumer(server);
    const handled = consume(consumer, () => {
      tries += 1;
      if (tries === 1) throw undefined;
    });
    await until(() => handled.length === 2, 'two events');
    expect(handled).toEqual(['shy', 'next']);
    expect(await server.entries(DEAD)).toEqual([]);
  });

  it('moves what it cannot read to the dead letters, as it was, and handles entries of the udev script', async () => {
    await server.client.xadd(STREAM, '*', 'action', 'change', 'vendor_id', '46d', 'product_id', 'c31c');
    await server.client.xadd(STREAM, '*', 'colour', Buffer.from([0xff, 0x00, 0xfe]));
    await server.client.xadd(STREAM, '*', 'action', 'add', 'device', '/dev/bus/usb/001/005', 'vendor_id', '046D', 'product_id', 'C077', 'colour', 'blue');
    await server.client.xadd(STREAM, '*', 'action', 'remove', 'device', '/dev/bus/usb/001/005');
    const events = [];
    const consumer = openConsumer(server);
    consume(consumer, (event) => events.push(event));
    await until(() => events.length === 2, 'two events');
    expect(events.map(({ action, vendorId, partial, source }) => [action, vendorId, partial, source])).toEqual([
      ['attach', 0x046d, false, 'udev'],
      ['detach', 0, true, 'udev'],
    ]);
    await until(() => consumer.told.dead.length === 2, 'two dead letters');
    expect(consumer.told.dead.map(({ attempts, reason }) => [attempts, reason])).toEqual([
      [0, expect.stringContaining('action is "change"')],
      [0, expect.stringContaining('action is missing')],
    ]);
    const [, letter] = await server.client.xrangeBuffer(DEAD, '-', '+');
    expect(letter[1].at(-1)).toEqual(Buffer.from([0xff, 0x00, 0xfe]));
  });

  it('takes up what it left before its restart, in order and before anything else, and forgets what was deleted', async () => {
    await add(server, upTo(8));
    const first = openConsumer(server);
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

  it('takes over what a dead member has left, but not what a slow one still has', async () => {
    await add(server, upTo(6));
    await server.client.xgroup('CREATE', STREAM, GROUP, '0');
    await server.client.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 3, 'STREAMS', STREAM, '>');
    const idle = { claim_idle_ms: 300, batch_size: 2 };
    let release;
    let isAtWork = false;
    const released = new Promise((resolve) => {
      release = resolve;
    });
    onTestFinished(release);
    const slow = consume(openConsumer(server, { name: 'slow', ...idle }), () => {
      isAtWork = true;
      return released;
    });
    await until(() => isAtWork, 'the slow member at work');
    const quick = consume(openConsumer(server, { name: 'quick', ...idle }));
    await until(() => quick.length >= 3, 'the quick member to take over');
    // The slow one is at work for several times the idle time, and shows that it lives.
    await pause(1500);
    const stillIts = (await pending(server)).filter(([, name]) => name === 'slow');
    expect(stillIts).not.toEqual([]);
    expect(quick).toEqual(expect.arrayContaining(['1', '2', '3']));
    release();
    await until(() => quick.length + slow.length === 6, 'the slow one to end');
    expect(slow).toContain('4');
    expect(new Set([...quick, ...slow]).size).toBe(quick.length + slow.length);
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
    expect(consumer.told.states.map(({ connected }) => connected)).toEqual([true, false, true]);
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
  it('claims with XPENDING and XCLAIM where the server has no XAUTOCLAIM', async () => {
    const server = await startedRedis({ args: ['--rename-command', 'XAUTOCLAIM', ''] });
    await add(server, upTo(3));
    await server.client.xgroup('CREATE', STREAM, GROUP, '0');
    await server.client.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 3, 'STREAMS', STREAM, '>');
    const consumer = openConsumer(server, { claim_idle_ms: 200, batch_size: 2 });
    const handled = consume(consumer);
    await until(() => handled.length === 3, 'three events');
    expect(handled).toEqual(['1', '2', '3']);
    expect(consumer.told.errors).toEqual([]);
    await noneIsPending(server);
  });

  it('works without the right to claim, and says so once', async () => {
    const server = await startedRedis();
    await server.client.acl('SETUSER', 'reader', 'on', '>secret', '~*', '+@all', '-xautoclaim', '-xclaim', '-xpending');
    const consumer = openConsumer(server, { claim_idle_ms: 50, redis: { username: 'reader', password: 'secret' } });
    const handled = consume(consumer);
    await add(server, upTo(3));
    await until(() => handled.length === 3, 'three events');
    await pause(300);
    expect(consumer.told.errors).toHaveLength(1);
    expect(consumer.told.errors[0]).toMatchObject({ code: 'ERR_USB_REDIS', message: expect.stringMatching(/grant this user XPENDING/) });
    await noneIsPending({ client: server.client });
  });

  it('keeps an entry whose dead letter cannot be written, says so once, and goes on', async () => {
    const server = await startedRedis();
    await server.client.set(DEAD, 'not a stream');
    await add(server, ['bad', 'good']);
    const consumer = openConsumer(server, { max_attempts: 1 });
    const handled = consume(consumer, ({ product }) => {
      if (product === 'bad') throw new Error('never');
    });
    await until(() => handled.length === 1 && consumer.told.errors.length > 0, 'the good one, and an error');
    expect(consumer.told.errors[0].message).toMatch(/no dead letter can be written to \{aw:hotplug\}:dead: redis answers WRONGTYPE/);
    expect(await pending(server)).toHaveLength(1);
    await server.client.del(DEAD);
    await noneIsPending(server);
    expect(consumer.told.errors).toHaveLength(1);
    expect(await server.entries(DEAD)).toHaveLength(1);
  });

  it('lets the process end by process.exit() while a stop waits for a handler that hangs', async () => {
    const server = await startedRedis();
    await add(server, ['one']);
    const program = `
      const { USBEventConsumer } = require(${JSON.stringify(packageRoot)});
      const consumer = new USBEventConsumer({ host: '127.0.0.1', port: ${server.port} }, 'g', 'c', { start_at: '0' });
      consumer.startConsuming(() => {
        consumer.stop();
        setTimeout(() => process.exit(7), 300);
        return new Promise(() => {});
      });`;
    const child = spawn(process.execPath, ['-e', program], { stdio: 'inherit' });
    onTestFinished(() => child.kill('SIGKILL'));
    expect(await once(child, 'exit')).toEqual([7, null]);
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

  it('names what is wrong with its options', () => {
    const open = (...args) => () => new USBEventConsumer(...args);
    expect(open({ prot: 1 })).toThrow(expect.objectContaining({ code: 'ERR_USB_CONFIG', message: expect.stringContaining('prot') }));
    expect(open({}, '')).toThrow(/groupName is empty/);
    expect(open({}, 'g', 'c', { concurrency: 0 })).toThrow(/concurrency is 0: expected 1 to 1000/);
    expect(open({}, 'g', 'c', { start_at: 'now' })).toThrow(/start_at is "now"/);
    return expect(new USBEventConsumer({}).startConsuming('handler')).rejects.toThrow(/takes a function/);
  });
});
