// USBEventPublisher against real servers: one entry for each event, whoever asks, and an answer in time.

import { hostname } from 'node:os';
import { describe, expect, it, onTestFinished } from 'vitest';
import { seeded } from './chaos/seeded.mjs';
import { calls } from './consumers.mjs';
import { openProxy } from './cutting-proxy.mjs';
import { openDaemon, USBEventPublisher } from './daemon.mjs';
import { fieldsOf, freePort, REDIS_VERSIONS, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const INFO = {
  vendorId: 0x046d,
  productId: 0xc077,
  deviceDescriptor: { bLength: 18, bDescriptorType: 1, bcdUSB: 512, bDeviceClass: 0, bDeviceSubClass: 0, bDeviceProtocol: 0, bMaxPacketSize0: 64, idVendor: 0x046d, idProduct: 0xc077, bcdDevice: 256, iManufacturer: 1, iProduct: 2, iSerialNumber: 0, bNumConfigurations: 1 },
  manufacturer: 'Example',
  product: 'Mouse',
  location: { busNumber: 1, deviceAddress: 5, portPath: '4.2' },
  timestamp: 1_700_000_000_000,
  signature: '0a6bf5b65ba74429',
};

async function startedRedis(options) {
  const server = await startRedis(options);
  onTestFinished(() => server.close());
  return server;
}

function openPublisher({ port }, redis = {}) {
  const publisher = new USBEventPublisher({ host: '127.0.0.1', port, ...redis });
  onTestFinished(() => publisher.close());
  return publisher;
}

describe.each(REDIS_VERSIONS)('with Redis %s, a publisher', (version) => {
  it("writes the contract's fields under a producer of its own", async () => {
    const server = await startedRedis({ version });
    const publisher = openPublisher(server);
    const id = await publisher.publishUSBEvent('attach', INFO);
    await publisher.publishUSBEvent('detach', { ...INFO, timestamp: INFO.timestamp + 1 });
    const [[first, flat], second] = await server.entries();
    expect(id).toBe(first);
    expect(flat.filter((_, at) => at % 2 === 0).join(' ')).toBe(
      'source action vendor_id product_id device_signature manufacturer product serial_number bus_number device_address port_path timestamp device_descriptor event_id seq host backend stable_id',
    );
    const fields = fieldsOf([first, flat]);
    expect(fields).toMatchObject({ source: 'node-usb', action: 'attach', vendor_id: '46d', product_id: 'c077', device_signature: INFO.signature, manufacturer: 'Example', product: 'Mouse', serial_number: '', bus_number: '1', device_address: '5', port_path: '4.2', timestamp: '1700000000000', event_id: expect.stringMatching(/^[0-9a-f]{16}:1$/), seq: '1', host: hostname(), backend: 'injected' });
    expect(JSON.parse(fields.device_descriptor)).toEqual(INFO.deviceDescriptor);
    expect(fieldsOf(second)).toMatchObject({ action: 'detach', seq: '2' });
    expect(await publisher.getRecentEvents(1)).toEqual([second]);
    expect(await publisher.getRecentEvents()).toEqual([second, [first, flat]]);
  });

  it("gives the ID of the daemon's own entry for an event that has an ID, and writes no second one", async () => {
    const server = await startedRedis({ version });
    const publisher = openPublisher(server);
    const daemon = openDaemon({ redis: { host: '127.0.0.1', port: server.port } });
    const asked = [];
    daemon.on('device:attach', (info) => asked.push(publisher.publishUSBEvent('attach', info)));
    await daemon.start();
    for (const at of upTo(20)) daemon.simulateAttach({ name: `201-${at}` });
    await until(() => asked.length === 20, '20 events');
    const ids = await Promise.all(asked);
    const entries = await server.entries();
    expect(ids).toEqual(entries.map(([id]) => id));
    expect(entries.map((entry) => fieldsOf(entry).event_id)).toEqual(daemon.heard.of('device:attach').map(({ eventId }) => eventId));
    // Asked for again much later, it is still found.
    expect(await publisher.publishUSBEvent('attach', daemon.heard.of('device:attach')[0])).toBe(ids[0]);
  });

  it('makes a consumer group that begins with what comes from now on, and leaves one that is there', async () => {
    const server = await startedRedis({ version });
    const publisher = openPublisher(server);
    await publisher.createConsumerGroup('plugins');
    await publisher.publishUSBEvent('attach', INFO);
    await publisher.createConsumerGroup('plugins');
    const [[, [[, flat]]]] = await server.client.xreadgroup('GROUP', 'plugins', 'one', 'STREAMS', 'aw:hotplug', '>');
    expect(flat).toContain('attach');
  });
});

describe('a publisher', () => {
  it('publishes each event once and in order where the server is killed in the middle', async () => {
    const server = await startedRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    const publisher = openPublisher(server, { timeout_ms: 20_000 });
    const asked = [];
    let answered = 0;
    const ask = (count) => {
      for (const timestamp of upTo(count).map((at) => asked.length + at)) {
        const promise = publisher.publishUSBEvent(timestamp % 2 ? 'attach' : 'detach', { ...INFO, timestamp });
        promise.then(() => (answered += 1));
        asked.push(promise);
      }
    };
    ask(500);
    await asked[100];
    // More than can be answered before the signal, which goes at once.
    ask(2_000);
    await server.kill();
    expect(answered).toBeLessThan(asked.length);
    await server.start();
    const ids = await Promise.all(asked);
    const entries = await server.entries();
    expect(entries.map((entry) => Number(fieldsOf(entry).timestamp))).toEqual(upTo(asked.length));
    expect(entries.map((entry) => Number(fieldsOf(entry).seq))).toEqual(upTo(asked.length));
    expect(ids).toEqual(entries.map(([id]) => id));
  });

  it('publishes each event once, and gives the ID of its entry, where replies are lost and packets cut in half', async () => {
    const server = await startedRedis();
    const proxy = await openProxy(server.port);
    const random = seeded();
    // That of a transaction; what is cut while it connects is just an outage.
    proxy.losesReply = (reply) => reply.includes('QUEUED') && random.next() < 0.2;
    proxy.losesHalf = (packet) => packet.includes('XADD') && random.next() < 0.2;
    const publisher = openPublisher(proxy, { timeout_ms: 30_000 });
    const ids = [];
    while (proxy.cuts < 8) {
      const asked = upTo(20).map((at) => publisher.publishUSBEvent('attach', { ...INFO, timestamp: ids.length + at }));
      ids.push(...(await Promise.all(asked)));
    }
    const entries = await server.entries();
    expect(entries.map((entry) => Number(fieldsOf(entry).timestamp))).toEqual(upTo(ids.length));
    expect(entries.map((entry) => Number(fieldsOf(entry).seq))).toEqual(upTo(ids.length));
    expect(ids).toEqual(entries.map(([id]) => id));
  });

  it('finds the entry of an old event below a hundred thousand later ones, without reading those', async () => {
    const server = await startedRedis();
    const { timestamp } = INFO;
    await server.client.xadd('aw:hotplug', `${timestamp}-0`, 'event_id', 'someone:1');
    for (let at = 0; at < 100_000; at += 10_000) {
      const pipeline = server.client.pipeline();
      for (const later of upTo(10_000)) pipeline.xadd('aw:hotplug', `${timestamp + 100_000 + at + later}-0`, 'event_id', `someone:${1 + at + later}`);
      await pipeline.exec();
    }
    const publisher = openPublisher(server);
    const reads = async () => (await calls(server, 'xrange')) + (await calls(server, 'xrevrange'));
    const before = await reads();
    expect(await publisher.publishUSBEvent('attach', { ...INFO, eventId: 'someone:1' })).toBe(`${timestamp}-0`);
    // By pages of some hundred entries: a few, not hundreds.
    expect((await reads()) - before).toBeLessThan(5);
  });

  it('rejects in time where there is no server, and publishes again once there is one', async () => {
    const port = await freePort();
    const publisher = openPublisher({ port }, { timeout_ms: 3000 });
    const asked = [
      publisher.publishUSBEvent('attach', INFO),
      publisher.publishUSBEvent('attach', { ...INFO, eventId: 'p:1' }),
      publisher.getRecentEvents(),
      publisher.createConsumerGroup('g'),
    ];
    const reasons = (await Promise.allSettled(asked)).map(({ reason }) => reason);
    expect(reasons.map(({ code }) => code)).toEqual(Array(4).fill('ERR_USB_REDIS'));
    expect(reasons[0].message).toMatch(/refused.*the event is not published/);
    const server = await startedRedis({ port });
    const id = await publisher.publishUSBEvent('attach', INFO);
    const entries = await server.entries();
    expect(entries.map((entry) => [entry[0], fieldsOf(entry).seq])).toEqual([[id, '1']]);
  });

  it('says that it is not known where a frozen server has the event, and never publishes it later', async () => {
    const server = await startedRedis();
    const publisher = openPublisher(server, { timeout_ms: 2000 });
    await publisher.publishUSBEvent('attach', { ...INFO, product: 'first' });
    server.signal('SIGSTOP');
    await expect(publisher.publishUSBEvent('attach', { ...INFO, product: 'unknown' })).rejects.toThrow(/whether the event is published is not known/);
    server.signal('SIGCONT');
    await publisher.publishUSBEvent('attach', { ...INFO, product: 'next' });
    const entries = (await server.entries()).map(fieldsOf);
    // It was in the server's receive buffer: whether it counts is decided before the next event goes out.
    expect(entries.map(({ seq }) => Number(seq))).toEqual(upTo(entries.length));
    const products = entries.map(({ product }) => product);
    expect([['first', 'next'], ['first', 'unknown', 'next']]).toContainEqual(products);
  });

  it('waits for the entry of an event that its daemon has yet to write, and gives up in time', async () => {
    const server = await startedRedis();
    const publisher = openPublisher(server, { timeout_ms: 3000 });
    const asked = publisher.publishUSBEvent('attach', { ...INFO, eventId: 'someone:7' });
    await publisher.getRecentEvents();
    const id = await server.client.xadd('aw:hotplug', '*', 'action', 'attach', 'event_id', 'someone:7');
    expect(await asked).toBe(id);
    await expect(publisher.publishUSBEvent('attach', { ...INFO, eventId: 'someone:8' })).rejects.toMatchObject({ code: 'ERR_USB_REDIS', message: expect.stringMatching(/someone:8 had no entry/) });
    expect(await server.entries()).toHaveLength(1);
  });

  it('names what is wrong with an event, and refuses once it is closed', async () => {
    const publisher = openPublisher({ port: await freePort() });
    await expect(publisher.publishUSBEvent('add', INFO)).rejects.toMatchObject({ code: 'ERR_USB_DEVICE', message: expect.stringMatching(/action is "add"/) });
    await expect(publisher.publishUSBEvent('attach', undefined)).rejects.toMatchObject({ code: 'ERR_USB_DEVICE' });
    await expect(publisher.publishUSBEvent('attach', { ...INFO, vendorId: 'mouse' })).rejects.toMatchObject({ code: 'ERR_USB_DEVICE', message: expect.stringMatching(/mouse/) });
    const wrong = [
      [{ vendorId: -1, productId: 1.5 }, /vendorId is -1: expected a whole number from 0 to 65535/],
      [{ productId: 1.5 }, /productId is 1\.5/],
      [{ product: 'x'.repeat(1 << 20) }, /product is "x+…: expected 255 characters at most/],
      [{ location: { busNumber: 1, deviceAddress: 2 ** 16 } }, /location\.deviceAddress is 65536/],
      [{ deviceDescriptor: { bcdUSB: 'two' } }, /deviceDescriptor\.bcdUSB is "two"/],
      [{ timestamp: 2 ** 53 }, /timestamp is 9007199254740992/],
      [{ speed: 1e300 }, /speed is 1e\+?300/],
      [{ eventId: 'nonsense' }, /eventId is "nonsense": expected <producer>:<seq>/],
    ];
    for (const [fields, message] of wrong) {
      await expect(publisher.publishUSBEvent('attach', { ...INFO, ...fields })).rejects.toMatchObject({ code: 'ERR_USB_DEVICE', message: expect.stringMatching(message) });
    }
    await expect(publisher.getRecentEvents(-1)).rejects.toThrow(RangeError);
    await publisher.close();
    await expect(publisher.publishUSBEvent('attach', INFO)).rejects.toMatchObject({ code: 'ERR_USB_NOT_RUNNING' });
    expect(() => new USBEventPublisher({ prot: 1 })).toThrow(expect.objectContaining({ code: 'ERR_USB_CONFIG' }));
  });
});
