// Each event once in the stream: whatever becomes of replies and packets, of the server's memory and of the outbox's file.

import { cp, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { seeded } from './chaos/seeded.mjs';
import { stateFolder } from './command.mjs';
import { openProxy } from './cutting-proxy.mjs';
import { cycle, openDaemon } from './daemon.mjs';
import { fieldsOf, REDIS_VERSIONS, seqsOf, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

async function startedRedis(options) {
  const server = await startRedis(options);
  onTestFinished(() => server.close());
  return server;
}

async function startedDaemon({ port }, { redis = {}, ...config } = {}) {
  const daemon = openDaemon({ redis: { host: '127.0.0.1', port, timeout_ms: 500, ...redis }, performance: { batch_size: 20 }, ...config });
  await daemon.start();
  return daemon;
}

/** Waits until every event is stored, nothing waits any more, and all is told; gives the codes of the errors told so far. */
async function drained(daemon) {
  await until(() => {
    const { events, outbox } = daemon.getHealth();
    return outbox.seen === events && outbox.waiting === 0;
  }, 'nothing to wait');
  // What was told before the last acknowledgement has come when that has.
  await daemon.heard.waitFor('event:published', { count: daemon.getHealth().outbox.published });
  return daemon.heard.of('error').map(({ code }) => code);
}

function published(daemon) {
  return daemon.heard.of('event:published');
}

describe.each(REDIS_VERSIONS)('with Redis %s, each event is in the stream once and in order', (version) => {
  it('where replies are lost and packets cut in half, and each is acknowledged with the ID of its entry', async () => {
    const server = await startedRedis({ version });
    const proxy = await openProxy(server.port);
    const random = seeded();
    proxy.losesReply = () => random.next() < 0.1;
    proxy.losesHalf = (packet) => packet.length > 1000 && random.next() < 0.1;
    const daemon = await startedDaemon(proxy);
    for (let round = 0; round < 20; round += 1) {
      cycle(daemon, 100);
      await daemon.heard.waitFor('device:detach', { count: (round + 1) * 50 });
    }
    await until(() => proxy.cuts > 15, 'fifteen cuts', { timeoutMs: 40_000 });
    proxy.losesReply = () => false;
    proxy.losesHalf = () => false;
    expect(await drained(daemon)).toEqual([]);
    const entries = await server.entries();
    expect(seqsOf(entries)).toEqual(upTo(2000));
    await daemon.heard.waitFor('event:published', { count: 2000 });
    expect(published(daemon).map(({ streamId, eventId }) => [streamId, eventId])).toEqual(entries.map((entry) => [entry[0], fieldsOf(entry).event_id]));
  });

  it('where somebody else has written to the stream what is no text, and a reply is lost', async () => {
    const server = await startedRedis({ version });
    await server.client.xadd('aw:hotplug', '*', Buffer.from([0xff, 0xfe]), Buffer.from([0xff]));
    const proxy = await openProxy(server.port);
    const daemon = await startedDaemon(proxy);
    cycle(daemon, 2);
    await daemon.heard.waitFor('event:published', { count: 2 });
    let isFirst = true;
    proxy.losesReply = () => isFirst && !(isFirst = false);
    cycle(daemon, 10);
    await daemon.heard.waitFor('event:published', { count: 12 });
    const entries = (await server.entries()).slice(1);
    expect(seqsOf(entries)).toEqual(upTo(12));
    expect(published(daemon).map(({ streamId }) => streamId)).toEqual(entries.map(([id]) => id));
  });

  it('where a packet of a dead connection arrives late: before the next batch, and after it', async () => {
    const server = await startedRedis({ version });
    const proxy = await openProxy(server.port);
    const daemon = await startedDaemon(proxy, { redis: { timeout_ms: 1000 } });
    cycle(daemon, 2);
    await daemon.heard.waitFor('event:published', { count: 2 });
    // The first try is kept back; what follows on the next connection goes through.
    let isFirst = true;
    proxy.holds = (packet) => isFirst && packet.includes('XADD') && !(isFirst = false);
    cycle(daemon, 10);
    await daemon.heard.waitFor('event:published', { count: 12 });
    expect(proxy.heldCount).toBe(1);
    await proxy.deliver();
    expect(seqsOf(await server.entries())).toEqual(upTo(12));
    // Now it arrives while the daemon waits for the answer: that of the late packet is nobody's.
    isFirst = true;
    cycle(daemon, 10);
    await until(() => proxy.heldCount === 1, 'the packet');
    await proxy.deliver();
    await daemon.heard.waitFor('event:published', { count: 22 });
    expect(seqsOf(await server.entries())).toEqual(upTo(22));
  });

  it('where the server refuses in the middle of a batch', async () => {
    const server = await startedRedis({ version });
    const daemon = await startedDaemon(server);
    cycle(daemon, 10);
    await daemon.heard.waitFor('event:published', { count: 10 });
    await server.client.rename('aw:hotplug', 'kept');
    await server.client.set('aw:hotplug', 'not a stream');
    cycle(daemon, 50);
    await daemon.heard.waitFor('redis:state', { match: ({ connected, reason }) => !connected && /WRONGTYPE/.test(reason) });
    await server.client.rename('kept', 'aw:hotplug');
    expect(await drained(daemon)).toEqual([]);
    expect(seqsOf(await server.entries())).toEqual(upTo(60));
  });

  it('where a server that has lost its last entries comes back: they are published again, and that is said', async () => {
    const server = await startedRedis({ version, args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    const daemon = await startedDaemon(server);
    cycle(daemon, 20);
    await daemon.heard.waitFor('event:published', { count: 20 });
    await cp(server.folder, `${server.folder}-earlier`, { recursive: true });
    onTestFinished(() => rm(`${server.folder}-earlier`, { recursive: true, force: true }));
    cycle(daemon, 20);
    await daemon.heard.waitFor('event:published', { count: 40 });
    await server.kill();
    await rm(server.folder, { recursive: true });
    await cp(`${server.folder}-earlier`, server.folder, { recursive: true });
    await server.start();
    cycle(daemon, 2);
    await until(async () => (await server.client.xlen('aw:hotplug')) >= 42, 'all entries');
    expect(seqsOf(await server.entries())).toEqual(upTo(42));
    const [error] = await daemon.heard.waitFor('error');
    expect(error).toMatchObject({ code: 'ERR_USB_REDIS_RESET', message: expect.stringMatching(/has lost events 21 to 40.*: 20 that are kept are published again/) });
  });

  it('where the server was emptied: it goes on with the next event, or publishes again what is kept, and says so', async () => {
    for (const [on_reset, expected] of [['continue', upTo(22).slice(20)], ['replay', upTo(22)]]) {
      const server = await startedRedis({ version });
      const daemon = await startedDaemon(server, { redis: { on_reset } });
      cycle(daemon, 20);
      await daemon.heard.waitFor('event:published', { count: 20 });
      await server.kill();
      await server.start();
      cycle(daemon, 2);
      await until(async () => (await server.client.xlen('aw:hotplug')) >= expected.length, 'the entries');
      expect(await drained(daemon)).toEqual(['ERR_USB_REDIS_RESET']);
      expect(seqsOf(await server.entries())).toEqual(expected);
      const { carriedOver, seen, published: acknowledged, filtered, waiting, dropped } = daemon.getHealth().outbox;
      expect(carriedOver + seen).toBe(acknowledged + filtered + waiting + dropped);
    }
  });

  it('and what a consumer group has not acknowledged is not trimmed, which is said before and when it happens', async () => {
    const server = await startedRedis({ version });
    await server.client.xgroup('CREATE', 'aw:hotplug', 'slow', '$', 'MKSTREAM');
    const daemon = await startedDaemon(server, { redis: { maxlen: 50 } });
    cycle(daemon, 46);
    const [before] = await daemon.heard.waitFor('error');
    expect(before).toMatchObject({ code: 'ERR_USB_LAG', message: expect.stringMatching(/consumer group "slow" is behind.*beyond redis\.maxlen, 50, the stream will not be trimmed/) });
    cycle(daemon, 154);
    const [, then] = await daemon.heard.waitFor('error', { count: 2 });
    expect(then).toMatchObject({ code: 'ERR_USB_LAG', message: expect.stringMatching(/consumer group "slow" is behind.*is not trimmed to 50/) });
    await daemon.heard.waitFor('event:published', { count: 200 });
    expect(seqsOf(await server.entries())).toEqual(upTo(200));
    const [[, read]] = await server.client.xreadgroup('GROUP', 'slow', 'one', 'COUNT', 190, 'STREAMS', 'aw:hotplug', '>');
    await server.client.xack('aw:hotplug', 'slow', ...read.slice(0, 180).map(([id]) => id));
    await until(async () => (await server.client.xlen('aw:hotplug')) === 50, 'the stream to be trimmed');
    expect(seqsOf(await server.entries())).toEqual(upTo(200).slice(150));
  });
});

describe('a server whose append-only file ends in the middle of a transaction', () => {
  /** Publishes, tears the last transaction, and starts the server twice. Gives the numbers in the stream. */
  async function torn(repairs) {
    const server = await startedRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    const daemon = await startedDaemon(server);
    cycle(daemon, 10);
    await daemon.heard.waitFor('event:published', { count: 10 });
    await server.kill();
    const file = join(server.folder, 'appendonlydir', 'appendonly.aof.1.incr.aof');
    // Into the last transaction, which ends with SET and EXEC.
    const end = (await readFile(file, 'latin1')).lastIndexOf('XADD');
    await truncate(file, end + 40);
    if (repairs) expect(await server.repair()).toBe(true);
    await server.start();
    cycle(daemon, 2);
    await drained(daemon);
    await until(async () => (await server.client.xlen('aw:hotplug')) >= 12, 'all entries');
    expect(seqsOf(await server.entries())).toEqual(upTo(12));
    await server.kill();
    await server.start();
    return until(async () => seqsOf(await server.entries().catch(() => [])), 'the entries');
  }

  it('has each event once after redis-check-aof --fix', async () => {
    expect(await torn(true)).toEqual(upTo(12));
  });

  it('doubles some by itself without it, with equal event_id: a defect of Redis (valkey#4342), which only it can mend', async () => {
    const seqs = await torn(false);
    expect(seqs.length).toBeGreaterThan(12);
    expect([...new Set(seqs)].sort((one, other) => one - other)).toEqual(upTo(12));
  });
});

describe('an outbox', () => {
  it('that has gone back in time goes on as a new producer, and says so: nothing is passed over and nothing is there twice', async () => {
    const server = await startedRedis();
    const folder = stateFolder();
    const path = join(folder, 'outbox.db');
    const run = async (transitions) => {
      const daemon = await startedDaemon(server, { outbox: { path } });
      cycle(daemon, transitions);
      await daemon.heard.waitFor('device:detach', { count: transitions / 2 });
      await drained(daemon);
      await daemon.stop();
      return daemon;
    };
    await run(10);
    await cp(path, join(folder, 'backup.db'));
    await run(10);
    for (const file of ['outbox.db-wal', 'outbox.db-shm']) await rm(join(folder, file), { force: true });
    await cp(join(folder, 'backup.db'), path);
    const daemon = await run(10);
    const errors = daemon.heard.of('error');
    expect(errors.map(({ code }) => code)).toEqual(['ERR_USB_OUTBOX']);
    expect(errors[0].message).toMatch(/has gone back in time.*redis has event 20.*the outbox knew of 1\d.*event 1/);
    const entries = (await server.entries()).map(fieldsOf);
    const producers = [...new Set(entries.map(({ event_id }) => event_id.split(':')[0]))];
    expect(producers).toHaveLength(2);
    expect(entries.map(({ seq }) => Number(seq))).toEqual([...upTo(20), ...upTo(10)]);
    expect(new Set(entries.map(({ event_id }) => event_id)).size).toBe(30);
  });
});

describe('an outbox that has gone back in time', () => {
  it('is known as such even where it was started without Redis since', async () => {
    const server = await startedRedis();
    const folder = stateFolder();
    const path = join(folder, 'outbox.db');
    const run = async (port, transitions) => {
      const daemon = await startedDaemon({ port }, { outbox: { path }, shutdown_ms: 0 });
      cycle(daemon, transitions);
      await daemon.heard.waitFor('device:detach', { count: transitions / 2 });
      if (port === server.port) await drained(daemon);
      await daemon.stop();
      return daemon;
    };
    await run(server.port, 10);
    await cp(path, join(folder, 'backup.db'));
    await run(server.port, 10);
    for (const file of ['outbox.db-wal', 'outbox.db-shm']) await rm(join(folder, file), { force: true });
    await cp(join(folder, 'backup.db'), path);
    await run(1, 20);
    const daemon = await run(server.port, 2);
    expect(daemon.heard.of('error').map(({ code }) => code)).toEqual(['ERR_USB_OUTBOX']);
    const entries = (await server.entries()).map(fieldsOf);
    expect(entries.map(({ seq }) => Number(seq))).toEqual([...upTo(20), ...upTo(22)]);
    expect(new Set(entries.map(({ event_id }) => event_id)).size).toBe(42);
  });
});

describe('two daemons with copies of one outbox', () => {
  it('lose nothing to each other: the one that finds out goes on as a new producer', async () => {
    const server = await startedRedis();
    const folder = stateFolder();
    const [one, other] = ['one.db', 'other.db'].map((name) => join(folder, name));
    const start = async (path) => startedDaemon(server, { outbox: { path } });
    const filling = await start(one);
    cycle(filling, 10);
    await filling.heard.waitFor('event:published', { count: 10 });
    await filling.stop();
    await cp(one, other);
    const daemons = [await start(one), await start(other)];
    for (let round = 0; round < 3; round += 1) {
      for (const daemon of daemons) {
        cycle(daemon, 10);
        await daemon.heard.waitFor('device:detach', { count: (round + 1) * 5 });
        await drained(daemon);
      }
    }
    const entries = await server.entries();
    expect(entries).toHaveLength(70);
    expect(new Set(entries.map((entry) => fieldsOf(entry).event_id)).size).toBe(70);
    expect(daemons.flatMap((daemon) => daemon.heard.of('error').map(({ code }) => code))).toContain('ERR_USB_OUTBOX');
  });
});

describe('two daemons for one machine and one stream', () => {
  it('are told of each other, in an event and in health, for as long as both live', async () => {
    const server = await startedRedis();
    const [one, other] = [await startedDaemon(server), await startedDaemon(server)];
    for (const daemon of [one, other]) {
      const [error] = await daemon.heard.waitFor('error', { timeoutMs: 30_000 });
      expect(error).toMatchObject({ code: 'ERR_USB_SECOND_PRODUCER', message: expect.stringMatching(new RegExp(`process ${process.pid} on `)) });
    }
    const producer = other.getHealth().outbox.producer;
    expect(one.getHealth().otherProducers).toEqual({ [producer]: expect.stringContaining(`process ${process.pid}`) });
    await other.stop();
    await until(() => Object.keys(one.getHealth().otherProducers ?? {}).length === 0, 'the other one to be forgotten', { timeoutMs: 30_000 });
    expect(one.heard.of('error')).toHaveLength(1);
  }, 90_000);
});

describe('a user who may not keep a watermark', () => {
  it('gets each event at least once, and is told so', async () => {
    const server = await startedRedis();
    await server.client.acl('SETUSER', 'writer', 'on', '>secret', '~aw:hotplug', '+@all');
    const daemon = await startedDaemon(server, { redis: { username: 'writer', password: 'secret' } });
    cycle(daemon, 100);
    await daemon.heard.waitFor('event:published', { count: 100 });
    expect(seqsOf(await server.entries())).toEqual(upTo(100));
    const [error] = daemon.heard.of('error');
    expect(error).toMatchObject({ code: 'ERR_USB_AT_LEAST_ONCE', message: expect.stringMatching(/grant it ~\{aw:hotplug\}:producer:\*/) });
    expect(daemon.getHealth().redis).toMatchObject({ connected: true, delivery: 'at-least-once' });
  });

  it('is not given anything twice once the right is there', async () => {
    const server = await startedRedis();
    await server.client.acl('SETUSER', 'writer', 'on', '>secret', '~aw:hotplug', '+@all');
    for (const on_reset of ['continue', 'replay']) {
      await server.client.acl('SETUSER', 'writer', 'resetkeys', '~aw:hotplug');
      await server.client.del('aw:hotplug');
      const daemon = await startedDaemon(server, { redis: { username: 'writer', password: 'secret', on_reset } });
      cycle(daemon, 100);
      await daemon.heard.waitFor('event:published', { count: 100 });
      await server.client.acl('SETUSER', 'writer', '~*');
      await server.client.client('KILL', 'USER', 'writer');
      await daemon.heard.waitFor('redis:state', { match: ({ delivery }) => delivery === 'exactly-once' });
      cycle(daemon, 10);
      await daemon.heard.waitFor('event:published', { count: 110 });
      expect(seqsOf(await server.entries())).toEqual(upTo(110));
      expect(daemon.heard.of('error').map(({ code }) => code)).toEqual(['ERR_USB_AT_LEAST_ONCE']);
      await daemon.stop();
    }
  });

  it('gets them also where it may look at the watermark and not move it', async () => {
    const server = await startedRedis();
    await server.client.acl('SETUSER', 'writer', 'on', '>secret', '~*', '+@all', '-set');
    const daemon = await startedDaemon(server, { redis: { username: 'writer', password: 'secret' } });
    cycle(daemon, 100);
    await daemon.heard.waitFor('event:published', { count: 100 });
    expect(seqsOf(await server.entries())).toEqual(upTo(100));
    expect(daemon.heard.of('error').map(({ code }) => code)).toEqual(['ERR_USB_AT_LEAST_ONCE']);
  });

  it('and may not look at the stream is told that it is not trimmed, and has its events published', async () => {
    const server = await startedRedis();
    await server.client.acl('SETUSER', 'writer', 'on', '>secret', '~*', '+@all', '-xlen', '-xinfo', '-xrange');
    const daemon = await startedDaemon(server, { redis: { username: 'writer', password: 'secret', maxlen: 10 } });
    cycle(daemon, 100);
    await daemon.heard.waitFor('event:published', { count: 100 });
    expect(daemon.heard.of('error')).toEqual([expect.objectContaining({ code: 'ERR_USB_LAG', message: expect.stringMatching(/not trimmed to redis\.maxlen.*XLEN/) })]);
    expect(daemon.heard.of('redis:state')).toHaveLength(1);
  });

  it('gets each event once as soon as the right is there', async () => {
    const server = await startedRedis();
    await server.client.acl('SETUSER', 'writer', 'on', '>secret', '~aw:hotplug', '~{aw:hotplug}:producer:*', '+xadd', '+watch', '+unwatch', '+get', '+set', '+multi', '+exec', '+ping', '+select', '+type', '+xrevrange', '+client', '+hset', '+expire', '+hgetall', '+hdel');
    const daemon = await startedDaemon(server, { redis: { username: 'writer', password: 'secret' } });
    cycle(daemon, 100);
    await daemon.heard.waitFor('event:published', { count: 100 });
    expect(daemon.getHealth().redis).toMatchObject({ connected: true, delivery: 'exactly-once' });
    expect(daemon.heard.of('error')).toEqual([]);
  });
});
