// From the daemon into a real Redis: what the entries say, that none is missing, and what happens when Redis is not well.

import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { cycle, openDaemon } from './daemon.mjs';
import { FAILURES, SECRET } from './redis-failures.mjs';
import { fieldsOf, freePort, seqsOf, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const HOST = '127.0.0.1';

function redisFor({ port }, more = {}) {
  return { redis: { host: HOST, port, ...more } };
}

async function startedRedis(options) {
  const server = await startRedis(options);
  onTestFinished(() => server.close());
  return server;
}

async function startedDaemon(config) {
  const daemon = openDaemon(config);
  await daemon.start();
  return daemon;
}

describe('entries', () => {
  let server;
  beforeAll(async () => {
    server = await startRedis();
  });
  beforeEach(() => server.client.flushall());
  afterAll(() => server.close());

  /** The two entries of a device that comes and goes, and the events that JavaScript had. */
  async function published(device) {
    const daemon = await startedDaemon(redisFor(server));
    daemon.simulateAttach(device);
    daemon.simulateDetach(device.name);
    const entries = await server.waitForEntries(2);
    await daemon.heard.waitFor('device:detach');
    return { entries, attach: daemon.heard.of('device:attach')[0], detach: daemon.heard.of('device:detach')[0] };
  }

  it("have the contract's fields in the contract's order and form", async () => {
    const { entries, attach, detach } = await published({
      name: '201-4.2',
      vendorId: 0x046d,
      productId: 0x0077,
      manufacturer: 'Logitech',
      product: 'Keyboard',
      serialNumber: 'A/ü 1',
      speed: '1.5',
      interfaces: [{ class: 3, subclass: 1, protocol: 1 }],
    });
    const { deviceAddress } = attach.location;
    const expected = (action, info, seq) => [
      ['source', 'node-usb'],
      ['action', action],
      ['vendor_id', '46d'],
      ['product_id', '77'],
      ['device_signature', createHash('sha256').update(`1133:119:201:${deviceAddress}`).digest('hex').slice(0, 16)],
      ['manufacturer', 'Logitech'],
      ['product', 'Keyboard'],
      ['serial_number', 'A/ü 1'],
      ['bus_number', '201'],
      ['device_address', String(deviceAddress)],
      ['port_path', '4.2'],
      ['timestamp', String(info.timestamp)],
      [
        'device_descriptor',
        JSON.stringify({
          bLength: 18,
          bDescriptorType: 1,
          bcdUSB: 0x0200,
          bDeviceClass: 0,
          bDeviceSubClass: 0,
          bDeviceProtocol: 0,
          bMaxPacketSize0: 64,
          idVendor: 0x046d,
          idProduct: 0x0077,
          bcdDevice: 0x0100,
          iManufacturer: 1,
          iProduct: 2,
          iSerialNumber: 3,
          bNumConfigurations: 1,
        }),
      ],
      ['event_id', info.eventId],
      ['seq', String(seq)],
      ['host', hostname()],
      ['backend', 'simulated'],
      ['stable_id', '046d:0077:A%2F%C3%BC%201'],
      ['speed', '1.5'],
      ['interfaces', '03/01/01'],
    ];
    expect(entries.map(([, flat]) => flat)).toEqual([expected('attach', attach, 1).flat(), expected('detach', detach, 2).flat()]);
    expect(attach.eventId).toMatch(/^[0-9a-f]{16}:1$/);
    expect(Math.abs(attach.timestamp - Date.now())).toBeLessThan(60_000);
  });

  it('of a device without strings have them empty, and no field that does not apply', async () => {
    const { entries } = await published({ name: '201-1' });
    for (const entry of entries) {
      const fields = fieldsOf(entry);
      expect(fields).toMatchObject({ vendor_id: '0', manufacturer: '', product: '', serial_number: '', stable_id: '0000:0000@simulated-1' });
      for (const absent of ['speed', 'interfaces', 'partial', 'synthetic', 'traceparent']) expect(fields).not.toHaveProperty(absent);
    }
  });

  it('of a composite device name every interface in order, at detach too', async () => {
    const interfaces = [
      { class: 3, subclass: 1, protocol: 1 },
      { class: 8, subclass: 6, protocol: 80 },
      { class: 255, subclass: 255, protocol: 255 },
      { class: 14, subclass: 1, protocol: 0 },
    ];
    const { entries } = await published({ name: '201-1', deviceClass: 239, interfaces });
    expect(entries.map((entry) => fieldsOf(entry).interfaces)).toEqual(Array(2).fill('03/01/01,08/06/50,ff/ff/ff,0e/01/00'));
  });

  for (const [what, text] of [
    ['newlines', 'a\nb\r\nc'],
    ['control characters', '\u0000\u0001\u0007\u001b[31m\u007f\u0085\u2028'],
    ['126 UTF-16 units', '漢'.repeat(126)],
    ['63 characters beyond the basic plane', '😀'.repeat(63)],
    ['the replacement character', 'x\ufffd\ufffdy'],
    ['a right-to-left override', 'abc\u202ecba'],
    ["Redis's own protocol", '$5\r\nhello\r\n*1\r\n$8\r\nFLUSHALL\r\n'],
    ['quotes, commas and percent signs', '"\'\\,%00{}:@'],
  ]) {
    it(`carry strings with ${what} as they are`, async () => {
      const { entries, attach } = await published({ name: '201-1', manufacturer: text, product: text, serialNumber: text });
      for (const entry of entries) {
        expect(fieldsOf(entry)).toMatchObject({ manufacturer: text, product: text, serial_number: text });
        expect(fieldsOf(entry).stable_id).toMatch(/^0000:0000:[A-Za-z0-9._~%-]+$/);
        expect(decodeURIComponent(fieldsOf(entry).stable_id.slice(10))).toBe(text);
      }
      expect(attach.product).toBe(text);
    });
  }

  for (const batch_size of [1, 10, 100]) {
    it(`are in order and without holes over 2,000 events in batches of ${batch_size}, and each is acknowledged once`, async () => {
      const daemon = await startedDaemon({ ...redisFor(server), performance: { batch_size } });
      cycle(daemon, 2000);
      const acknowledged = await daemon.heard.waitFor('event:published', { count: 2000 });
      const entries = await server.entries();
      expect(seqsOf(entries)).toEqual(upTo(2000));
      const transitions = daemon.heard.all.filter(({ event }) => event.startsWith('device:'));
      const expected = transitions.map(({ event, value }, at) => ({
        eventId: value.eventId,
        streamId: entries[at][0],
        action: event.slice('device:'.length),
        device: value,
      }));
      expect(acknowledged).toEqual(expected);
      expect(entries.map((entry) => fieldsOf(entry).event_id)).toEqual(expected.map(({ eventId }) => eventId));
    });
  }

  it('begin a new series of numbers at each start', async () => {
    const daemon = await startedDaemon(redisFor(server));
    daemon.simulateAttach({ name: '201-1' });
    await daemon.stop();
    await daemon.start();
    daemon.simulateAttach({ name: '201-1' });
    await daemon.stop();
    const entries = await server.entries();
    expect(seqsOf(entries)).toEqual([1, 1]);
    expect(new Set(entries.map((entry) => fieldsOf(entry).event_id)).size).toBe(2);
  });

  it('go to another database and another stream where that is asked for', async () => {
    const daemon = await startedDaemon(redisFor(server, { db: 5, stream: 'other:stream' }));
    daemon.simulateAttach({ name: '201-1' });
    await daemon.heard.waitFor('event:published');
    expect(await server.client.dbsize()).toBe(0);
    await server.client.select(5);
    onTestFinished(() => server.client.select(0));
    expect(await server.client.xlen('other:stream')).toBe(1);
    const keys = await server.client.keys('*');
    expect(keys.filter((key) => !key.startsWith('{other:stream}:producer:'))).toEqual(['other:stream']);
  });

  it('are not written where redis is false', async () => {
    const quiet = await startedDaemon({ redis: false });
    cycle(quiet, 100);
    await quiet.heard.waitFor('device:detach', { count: 50 });
    await quiet.stop();
    expect(quiet.heard.of('event:published')).toEqual([]);
    expect(quiet.heard.of('redis:state')).toEqual([]);
    expect(await server.client.dbsize()).toBe(0);
  });

  it('of two daemons in one process both arrive, each in its own order', async () => {
    const daemons = [await startedDaemon(redisFor(server)), await startedDaemon(redisFor(server))];
    for (const daemon of daemons) cycle(daemon, 500);
    const entries = await server.waitForEntries(1000);
    const producerOf = (entry) => fieldsOf(entry).event_id.split(':')[0];
    const producers = new Set(entries.map(producerOf));
    expect(producers.size).toBe(2);
    for (const producer of producers) expect(seqsOf(entries.filter((entry) => producerOf(entry) === producer))).toEqual(upTo(500));
  });
});

describe('a Redis that wants to know who comes', () => {
  it('is given the password', async () => {
    const server = await startedRedis({ args: ['--requirepass', SECRET], client: { password: SECRET } });
    const daemon = await startedDaemon(redisFor(server, { password: SECRET }));
    daemon.simulateAttach({ name: '201-1' });
    expect(seqsOf(await server.waitForEntries(1))).toEqual([1]);
    expect(JSON.stringify(daemon.heard.all)).not.toContain(SECRET);
  });

  it('is given user and password, and needs to grant no more than it says', async () => {
    const server = await startedRedis();
    const rules = ['~aw:hotplug', '+xadd', '+multi', '+exec', '+ping', '+select'];
    await server.client.acl('SETUSER', 'daemon', 'on', `>${SECRET}`, ...rules);
    const daemon = await startedDaemon(redisFor(server, { username: 'daemon', password: SECRET }));
    cycle(daemon, 100);
    expect(seqsOf(await server.waitForEntries(100))).toEqual(upTo(100));
    expect(daemon.heard.of('redis:state').map(({ connected }) => connected)).toEqual([true]);
    expect(JSON.stringify(daemon.heard.all)).not.toContain(SECRET);
  });
});

describe('a Redis that is away for a while', () => {
  it('gets all events in order and once when it first comes after them', async () => {
    const port = await freePort();
    const daemon = await startedDaemon(redisFor({ port }));
    await daemon.heard.waitFor('redis:state');
    cycle(daemon, 2000);
    await daemon.heard.waitFor('device:detach', { count: 1000 });
    const server = await startedRedis({ port });
    await daemon.heard.waitFor('event:published', { count: 2000 });
    expect(seqsOf(await server.entries())).toEqual(upTo(2000));
    expect(daemon.heard.of('redis:state')).toMatchObject([
      { connected: false, address: `127.0.0.1:${port}`, reason: expect.stringContaining('connection refused') },
      { connected: true, address: `127.0.0.1:${port}` },
    ]);
    expect(daemon.heard.of('gap')).toEqual([]);
  });

  it('gets each event once where it was killed while nothing was on its way', async () => {
    const server = await startedRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    const daemon = await startedDaemon({ ...redisFor(server), monitoring: { enabled: false, interval: 50 } });
    for (let round = 1; round <= 3; round += 1) {
      cycle(daemon, 200);
      await daemon.heard.waitFor('event:published', { count: round * 400 - 200 });
      await server.kill();
      // Nothing is to be published, and still it is noticed: within one interval.
      await daemon.heard.waitFor('redis:state', { match: ({ connected }) => !connected, count: round });
      cycle(daemon, 200);
      await server.start();
      await daemon.heard.waitFor('event:published', { count: round * 400 });
    }
    expect(seqsOf(await server.entries())).toEqual(upTo(1200));
  });

  for (const batch_size of [10, 100]) {
    it(`misses nothing where it is killed in the middle, with batches of ${batch_size}`, async () => {
      const server = await startedRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
      const daemon = await startedDaemon({ ...redisFor(server), performance: { batch_size } });
      const kills = 3;
      for (let round = 0; round < kills; round += 1) {
        cycle(daemon, 1000);
        await daemon.heard.waitFor('event:published', { count: round * 1000 + 300 });
        await server.kill();
        await daemon.heard.waitFor('redis:state', { match: ({ connected, reason }) => !connected && /refused/.test(reason), count: round + 1 });
        cycle(daemon, 1000);
        await server.start();
        await daemon.heard.waitFor('event:published', { count: (round + 1) * 2000 });
      }
      const entries = await server.entries();
      const total = kills * 2000;
      expect(seqsOf(entries)).toEqual(upTo(total));
      const acknowledged = daemon.heard.of('event:published');
      expect(acknowledged.map(({ eventId }) => Number(eventId.split(':')[1]))).toEqual(upTo(total));
      const entryOf = new Map(entries.map((entry) => [entry[0], fieldsOf(entry).event_id]));
      expect(acknowledged.filter(({ streamId, eventId }) => entryOf.get(streamId) !== eventId)).toEqual([]);
      const states = daemon.heard.of('redis:state');
      expect(states.at(-1).connected).toBe(true);
      for (const { connected, reason } of states) expect(typeof reason).toBe(connected ? 'undefined' : 'string');
    });
  }

  it('misses nothing where it is stopped in its tracks and goes on later', async () => {
    const batch_size = 10;
    const server = await startedRedis();
    const daemon = await startedDaemon({ ...redisFor(server, { timeout_ms: 200 }), performance: { batch_size } });
    cycle(daemon, 1000);
    await daemon.heard.waitFor('event:published', { count: 100 });
    server.signal('SIGSTOP');
    cycle(daemon, 1000);
    const [state] = await daemon.heard.waitFor('redis:state', { match: ({ connected }) => !connected });
    expect(state.reason).toMatch(/no answer in time/);
    server.signal('SIGCONT');
    await daemon.heard.waitFor('event:published', { count: 2000 });
    expect(seqsOf(await server.entries())).toEqual(upTo(2000));
    expect(daemon.heard.of('redis:state').map(({ connected }) => connected)).toEqual([true, false, true]);
  });

  it('is told by a gap what the bound on waiting events has cost', async () => {
    const port = await freePort();
    const daemon = await startedDaemon({ ...redisFor({ port }), outbox: { max_events: 100 } });
    for (let at = 0; at < 10; at += 1) {
      cycle(daemon, 50);
      await daemon.heard.waitFor('device:detach', { count: (at + 1) * 25 });
    }
    const server = await startedRedis({ port });
    const gaps = () => daemon.heard.of('gap');
    const lost = () => gaps().reduce((sum, gap) => sum + gap.lost, 0);
    await until(() => lost() >= 400, 'gaps that count 400 events');
    expect(lost()).toBe(400);
    for (const gap of gaps()) expect(gap).toMatchObject({ source: 'outbox', cause: 'outbox-full' });
    expect(seqsOf(await server.waitForEntries(100))).toEqual(upTo(500).slice(400));
  });
});

describe('a Redis that does not take events', () => {
  for (const { name, reason, open, redis = {}, db } of FAILURES) {
    it(`(${name}) is said once, with what to do, and gets all that waited once it is well`, async () => {
      const failure = await open();
      onTestFinished(() => failure.close());
      const daemon = openDaemon({ redis: { ...failure.redis, ...redis } });
      await daemon.start();
      cycle(daemon, 100);
      await daemon.heard.waitFor('redis:state', { match: ({ connected }) => !connected });
      await failure.retried(3);
      cycle(daemon, 100);
      await daemon.heard.waitFor('device:detach', { count: 100 });
      const away = daemon.heard.of('redis:state').filter(({ connected }) => !connected);
      expect(away).toEqual([expect.objectContaining({ reason: expect.stringMatching(reason) })]);
      expect(away[0].reason).not.toMatch(/[\n\r]/);
      expect(daemon.heard.of('event:published')).toEqual([]);
      const recovered = await failure.recover();
      await daemon.heard.waitFor('event:published', { count: 200 });
      if (db) await recovered.client.select(db);
      expect(seqsOf(await recovered.entries())).toEqual(upTo(200));
      expect(daemon.heard.of('redis:state').at(-1).connected).toBe(true);
      expect(JSON.stringify(daemon.heard.all)).not.toContain(SECRET);
    });
  }

  it('costs no connection for each attempt', async () => {
    const { open } = FAILURES.find(({ name }) => name.includes('says nothing'));
    const silent = await open();
    onTestFinished(() => silent.close());
    await startedDaemon({ redis: { ...silent.redis, timeout_ms: 20 } });
    await silent.retried(5);
    await until(() => silent.openConnections() <= 1, 'connections to be closed');
  });
});

describe('stop', () => {
  it('publishes what waits before it resolves', async () => {
    const server = await startedRedis();
    const daemon = await startedDaemon({ ...redisFor(server), shutdown_ms: 30_000 });
    cycle(daemon, 5000);
    await daemon.stop();
    expect(seqsOf(await server.entries())).toEqual(upTo(5000));
    expect(daemon.heard.of('event:published')).toHaveLength(5000);
    expect(daemon.heard.all.at(-1).event).toBe('stopped');
    expect(daemon.heard.of('error')).toEqual([]);
  });

  it('waits for a Redis that comes within shutdown_ms', async () => {
    const port = await freePort();
    const daemon = await startedDaemon({ ...redisFor({ port }), shutdown_ms: 30_000 });
    cycle(daemon, 100);
    await daemon.heard.waitFor('redis:state');
    const stopped = daemon.stop();
    const server = await startedRedis({ port });
    await stopped;
    expect(seqsOf(await server.entries())).toEqual(upTo(100));
  });

  for (const name of ['nothing listens there', 'something there that accepts and says nothing', 'READONLY']) {
    it(`takes shutdown_ms and not much more where ${name}, and says what is not published`, async () => {
      const failure = await FAILURES.find((one) => one.name === name).open();
      onTestFinished(() => failure.close());
      const daemon = await startedDaemon({ redis: { ...failure.redis, timeout_ms: 60_000 }, shutdown_ms: 300 });
      cycle(daemon, 100);
      await daemon.heard.waitFor('device:detach', { count: 50 });
      const began = performance.now();
      await daemon.stop();
      const took = performance.now() - began;
      expect(took).toBeGreaterThan(250);
      expect(took).toBeLessThan(5_000);
      expect(daemon.heard.of('error')).toEqual([
        expect.objectContaining({ code: 'ERR_USB_REDIS', message: expect.stringMatching(/^unpublished events: 100;/) }),
      ]);
    });
  }

  it('does not wait for a Redis that nothing waits for', async () => {
    const daemon = await startedDaemon({ ...redisFor({ port: await freePort() }), shutdown_ms: 30_000 });
    await daemon.heard.waitFor('redis:state');
    const began = performance.now();
    await daemon.stop();
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(daemon.heard.of('error')).toEqual([]);
  });
});
