// What no handler can bear, or nobody can read: the dead-letter stream has it once, whatever happens meanwhile.

import { beforeEach, describe, expect, it } from 'vitest';
import { add, consume, DEAD, emptiedAndMadeAnew, GROUP, holding, noneIsPending, openConsumer, pending, startedRedis, STREAM } from './consumers.mjs';
import { openProxy } from './cutting-proxy.mjs';
import { fieldsOf, REDIS_VERSIONS, startRedis } from './redis-server.mjs';
import { until } from './until.mjs';

describe.each(REDIS_VERSIONS)('with Redis %s, a consumer', (version) => {
  let server;
  beforeEach(async () => {
    server = await startRedis({ version });
    return () => server.close();
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
    // Each pause is twice the one before. How much later than that a timer fires is nobody's promise.
    expect(tries[1] - tries[0]).toBeGreaterThanOrEqual(19);
    expect(tries[2] - tries[1]).toBeGreaterThanOrEqual(39);
    const [letter] = await server.entries(DEAD);
    const [, [id]] = await server.entries();
    expect(consumer.told.dead).toEqual([{ messageId: id, code: 'ERR_USB_HANDLER', reason: 'no driver for it', attempts: 3 }]);
    expect(fieldsOf(letter)).toMatchObject({ dead_entry_id: id, dead_group: GROUP, dead_consumer: 'main', dead_attempts: '3', dead_code: 'ERR_USB_HANDLER', dead_reason: 'no driver for it', product: 'bad', vendor_id: '46d' });
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

  it('writes the letter of a member although another one has made the group of an emptied server anew', async () => {
    const consumer = openConsumer(server, { max_attempts: 1 });
    const held = holding();
    consume(consumer, async (event) => {
      await held.handler(event);
      throw new Error('no driver for it');
    });
    await add(server, ['bad']);
    await until(() => held.given.length === 1, 'the handler at work');
    await emptiedAndMadeAnew(server);
    held.release();
    const letter = await until(async () => (await server.entries(DEAD))[0], 'the letter');
    expect(fieldsOf(letter)).toMatchObject({ product: 'bad', dead_reason: 'no driver for it', dead_attempts: '1' });
    await until(() => consumer.told.dead.length === 1, 'the letter to be told');
  });
});

describe('a consumer', () => {
  it('writes the letter of an entry that somebody deletes while its handler is tried again', async () => {
    const server = await startedRedis();
    const consumer = openConsumer(server, { max_attempts: 2, claim_idle_ms: 1000 });
    const held = holding();
    let tries = 0;
    consume(consumer, async (event) => {
      tries += 1;
      if (tries === 2) await held.handler(event);
      throw new Error('no driver for it');
    });
    await add(server, ['bad']);
    await until(() => held.given.length === 1, 'the second try');
    const [[id]] = await server.entries();
    await server.client.xdel(STREAM, id);
    // The member's next sign of life makes Redis forget an entry that is not there.
    await noneIsPending(server);
    held.release();
    const letter = await until(async () => (await server.entries(DEAD))[0], 'the letter');
    expect(fieldsOf(letter)).toMatchObject({ dead_entry_id: id, product: 'bad', dead_attempts: '2' });
    await until(() => consumer.told.dead.length === 1, 'the letter to be told');
    expect(consumer.told.dead[0]).toEqual({ messageId: id, code: 'ERR_USB_HANDLER', reason: 'no driver for it', attempts: 2 });
  });

  it('writes one letter, and tells of it, where the reply to it is lost', async () => {
    const server = await startedRedis();
    const proxy = await openProxy(server.port);
    let isSent = false;
    proxy.holds = (packet) => {
      isSent ||= packet.includes('dead_entry_id');
      return false;
    };
    // That of the transaction alone: the other connection waits for entries.
    proxy.losesReply = (reply) => isSent && proxy.cuts === 0 && reply.includes('QUEUED');
    const consumer = openConsumer(proxy, { max_attempts: 1 });
    const handled = consume(consumer, ({ product }) => {
      if (product === 'bad') throw new Error('no driver for it');
    });
    await add(server, ['bad', 'good']);
    await until(() => consumer.told.dead.length > 0 && handled.length > 0, 'the letter to be told, and the good one');
    expect(proxy.cuts).toBe(1);
    await noneIsPending(server);
    expect(await server.entries(DEAD)).toHaveLength(1);
    expect(consumer.told.dead).toHaveLength(1);
    expect(handled).toEqual(['good']);
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
    await until(async () => (await pending(server)).length === 1, 'the good one to be acknowledged, and it alone');
    await server.client.del(DEAD);
    await noneIsPending(server);
    expect(consumer.told.errors).toHaveLength(1);
    expect(await server.entries(DEAD)).toHaveLength(1);
  });
});
