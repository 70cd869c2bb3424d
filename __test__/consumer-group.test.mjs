// Members of one group: what the dead have left is taken over, and what the living have is theirs, whatever Redis goes through.

import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { add, consume, GROUP, holding, looksInHand, noneIsPending, openConsumer, pending, startedRedis, STREAM } from './consumers.mjs';
import { REDIS_VERSIONS, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const byProduct = (one, other) => Number(one) - Number(other);

/** Entries that a member has been given and will never say another word about. */
async function leftByTheDead(server, count) {
  await add(server, upTo(count));
  await server.client.xgroup('CREATE', STREAM, GROUP, '0');
  await server.client.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', count, 'STREAMS', STREAM, '>');
}

/** How often the server has refused a command for want of a right. */
async function refusals(server) {
  return Number(/cmdstat_xautoclaim:.*rejected_calls=(\d+)/.exec(await server.client.info('commandstats'))[1]);
}

describe.each(REDIS_VERSIONS)('with Redis %s, a member', (version) => {
  it('takes over what a dead member has left, but not what a slow one still has', async () => {
    const server = await startedRedis({ version });
    await leftByTheDead(server, 3);
    const quick = consume(openConsumer(server, { name: 'quick', claim_idle_ms: 2000 }));
    await until(() => quick.length === 3, 'the quick member to take over');
    expect(quick).toEqual(['1', '2', '3']);
    const member = openConsumer(server, { name: 'slow', claim_idle_ms: 2000 });
    const held = holding();
    const slow = consume(member, held.handler);
    let added = 3;
    while (held.given.length === 0) {
      added += 1;
      await add(server, [added]);
      await until(() => quick.length + held.given.length === added, 'one of them to have it');
    }
    const slowHas = (await pending(server)).map(([id, name]) => [id, name]);
    expect(slowHas).toEqual([[expect.any(String), 'slow']]);
    // Twice the idle time: the slow one shows three times in it that it lives, and the quick one looks as often.
    await looksInHand(server, 6);
    expect((await pending(server)).map(([id, name]) => [id, name])).toEqual(slowHas);
    held.release();
    await until(() => slow.length === 1, 'the slow one to end');
    await noneIsPending(server);
    expect([...quick, ...slow].sort(byProduct)).toEqual(upTo(added).map(String));
  });

  it('does not take what another living one has after an outage that was longer than a sign of life may take', async () => {
    const server = await startedRedis({ version, args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    const members = ['one', 'other'].map((name) => openConsumer(server, { name, claim_idle_ms: 1000, concurrency: 10 }));
    const holds = members.map(() => holding());
    const handled = members.map((member, at) => consume(member, holds[at].handler));
    let added = 0;
    while (holds.some(({ given }) => given.length === 0)) {
      added += 1;
      await add(server, [added]);
      await until(() => holds.flatMap(({ given }) => given).length === added, 'a handler to have it');
    }
    const owners = (await pending(server)).map(([id, name]) => [id, name]);
    await server.kill();
    await until(() => members.every(({ told }) => told.states.at(-1).connected === false), 'the loss to be told');
    // The outage itself: longer than claim_idle_ms.
    await pause(1500);
    await server.start();
    await until(() => members.every(({ told }) => told.states.at(-1).connected), 'both to be back');
    // Each of the two looks three times in claim_idle_ms; this is long enough to have watched the other one.
    await looksInHand(server, 12);
    expect((await pending(server)).map(([id, name]) => [id, name])).toEqual(owners);
    for (const { release } of holds) release();
    await noneIsPending(server);
    expect(holds.flatMap(({ given }) => given).sort(byProduct)).toEqual(upTo(added).map(String));
    expect(handled.flat()).toHaveLength(added);
  });
});

describe('a member', () => {
  it('takes over although it reads one entry at a time of a stream that never runs dry', async () => {
    const server = await startedRedis();
    await leftByTheDead(server, 3);
    let added = 3;
    const handled = consume(openConsumer(server, { batch_size: 1, claim_idle_ms: 1000 }), async () => {
      // There is always something more to read.
      await add(server, [added + 1, added + 2]);
      added += 2;
      await pause(20);
    });
    await add(server, ['first']);
    await until(() => ['1', '2', '3'].every((left) => handled.includes(left)), 'the entries of the dead member', { timeoutMs: 15_000 });
  });

  it('claims with XPENDING and XCLAIM where the server has no XAUTOCLAIM', async () => {
    const server = await startedRedis({ args: ['--rename-command', 'XAUTOCLAIM', ''] });
    await add(server, upTo(3));
    await server.client.xgroup('CREATE', STREAM, GROUP, '0');
    await server.client.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 3, 'STREAMS', STREAM, '>');
    const consumer = openConsumer(server, { claim_idle_ms: 1000, batch_size: 2 });
    const handled = consume(consumer);
    await until(() => handled.length === 3, 'three events');
    expect(handled).toEqual(['1', '2', '3']);
    expect(consumer.told.errors).toEqual([]);
    await noneIsPending(server);
  });

  it('works without the right to claim, and says so once', async () => {
    const server = await startedRedis();
    await server.client.acl('SETUSER', 'reader', 'on', '>secret', '~*', '+@all', '-xautoclaim', '-xclaim', '-xpending');
    const consumer = openConsumer(server, { claim_idle_ms: 1000, redis: { username: 'reader', password: 'secret' } });
    const handled = consume(consumer);
    await add(server, upTo(3));
    await until(() => handled.length === 3, 'three events');
    await until(() => consumer.told.errors.length > 0, 'the refusal');
    // It goes on to be refused, each third of a second.
    const before = await refusals(server);
    await until(async () => (await refusals(server)) >= before + 2, 'two more refusals');
    expect(consumer.told.errors).toHaveLength(1);
    expect(consumer.told.errors[0]).toMatchObject({ code: 'ERR_USB_REDIS', message: expect.stringMatching(/grant this user XPENDING/) });
    await noneIsPending(server);
  });
});
