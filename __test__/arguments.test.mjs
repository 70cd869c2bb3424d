// What a program may pass by mistake: a typed error for each, and in none of them a password.

import { describe, expect, it, onTestFinished } from 'vitest';
import { USBDaemon, USBEventConsumer, USBEventPublisher, openDaemon } from './daemon.mjs';
import { freePort } from './redis-server.mjs';

const cyclic = {};
cyclic.self = cyclic;
const trap = {
  get host() {
    throw new Error('a getter that throws');
  },
};
const INFO = { vendorId: 1, productId: 2, location: { busNumber: 1, deviceAddress: 2 } };

/** What each way to give the key `redis` throws. */
function thrownBy(redis) {
  return {
    daemon: thrown(() => new USBDaemon({ redis })),
    consumer: thrown(() => new USBEventConsumer(redis)),
    publisher: thrown(() => new USBEventPublisher(redis)),
  };
}

/** A proxy that throws at whatever is done with it. */
function revoked(of) {
  const { proxy, revoke } = Proxy.revocable(of, {});
  revoke();
  return proxy;
}

/** An object whose property cannot be read. */
const barred = (name) => Object.defineProperty({}, name, { enumerable: true, get: () => { throw new Error('a getter that throws'); } });

function thrown(open) {
  try {
    open();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/** All that whoever logs an error may show. */
function shownBy(error) {
  return [error.message, error.stack, JSON.stringify(error), String(error.cause?.message), error.cause?.stack].join('\n');
}

describe('an error about the configuration of Redis', () => {
  const secrets = [
    ['a URL instead of an object', 'redis://u:hush@h', 'hush'],
    ['a URL with a misspelt scheme', { url: 'redsi://u:hush@h' }, 'hush'],
    ['a URL with a bad port', { url: 'redis://u:hush@h:port' }, 'hush'],
    ['a URL with a bad database', { url: 'redis://u:hush@h/zero' }, 'hush'],
    ['a URL in a list', ['redis://u:hush@h'], 'hush'],
    ['a password that is a number', { password: 12345678 }, '12345678'],
    ['a password in a list', { password: ['hush'] }, 'hush'],
    ['a key beside a password', { password: 'hush', prot: 1 }, 'hush'],
    ['a host that is a URL', { host: { url: 'redis://u:hush@h' } }, 'hush'],
    ['a URL instead of a certificate', { tls: 'rediss://u:hush@h' }, 'hush'],
  ];
  for (const [what, redis, secret] of secrets) {
    it(`holds no password: ${what}`, () => {
      for (const [who, error] of Object.entries(thrownBy(redis))) {
        expect(error.code, who).toBe('ERR_USB_CONFIG');
        expect(error.message, who).toMatch(/redis/);
        expect(shownBy(error), who).not.toContain(secret);
      }
    });
  }

  for (const [what, redis] of [['a BigInt', { port: 6379n }], ['a cycle', { tls: cyclic }], ['a cycle at once', cyclic], ['a getter that throws', trap], ['a list', []], ['a number', 7]]) {
    it(`is typed: ${what}`, () => {
      for (const [who, error] of Object.entries(thrownBy(redis))) {
        expect(error.code, `${who}: ${error.message}`).toBe('ERR_USB_CONFIG');
        expect(error, who).toBeInstanceOf(Error);
      }
    });
  }
});

describe('an error about other arguments is typed', () => {
  const consumer = (...args) => thrown(() => new USBEventConsumer({}, ...args));

  it('of a consumer', () => {
    for (const name of [Symbol('name'), 7, null, {}, '', 7n, cyclic]) {
      expect(consumer(name), typeof name).toMatchObject({ code: 'ERR_USB_CONFIG' });
      expect(consumer('group', name), typeof name).toMatchObject({ code: 'ERR_USB_CONFIG' });
    }
    for (const options of [['0', 4], 7, null, 'slow', Symbol('options'), cyclic, { concurrency: 4n }, trap]) {
      expect(consumer('group', 'name', options), typeof options).toMatchObject({ code: 'ERR_USB_CONFIG' });
    }
  });

  it("of a consumer's start", async () => {
    for (const handler of [undefined, null, 7, {}, Symbol('handler')]) {
      await expect(new USBEventConsumer({}).startConsuming(handler)).rejects.toMatchObject({ name: 'TypeError', code: 'ERR_USB_ARGUMENT' });
    }
  });

  it('of a daemon', () => {
    for (const config of [[], 7, null, 'redis', cyclic, { outbox: cyclic }, { performance: { batch_size: 10n } }, { redis: trap }, { monitoring: trap }, { get redis() { throw new Error('a getter'); } }]) {
      expect(thrown(() => new USBDaemon(config)), typeof config).toMatchObject({ code: 'ERR_USB_CONFIG' });
    }
  });

  it('of a publisher', async () => {
    const publisher = new USBEventPublisher({ host: '127.0.0.1', port: await freePort() });
    onTestFinished(() => publisher.close());
    const infos = [undefined, null, 7, 7n, [], Symbol('info'), cyclic, { ...INFO, vendorId: 7n }, { ...INFO, location: cyclic }, { ...INFO, get product() { throw new Error('a getter'); } }];
    for (const info of infos) {
      await expect(publisher.publishUSBEvent('attach', info)).rejects.toMatchObject({ code: 'ERR_USB_DEVICE' });
    }
    await expect(publisher.publishUSBEvent('add', INFO)).rejects.toMatchObject({ code: 'ERR_USB_DEVICE' });
    const textless = { toString() { throw new Error('a toString'); } };
    for (const action of [undefined, 7, Symbol('attach'), textless, Object.create(null), new String('attach')]) {
      await expect(publisher.publishUSBEvent(action, INFO)).rejects.toMatchObject({ name: 'TypeError', code: 'ERR_USB_ARGUMENT', message: expect.stringMatching(/^action is /) });
    }
    for (const name of [undefined, null, '', 7, Symbol('group'), {}, textless]) {
      await expect(publisher.createConsumerGroup(name)).rejects.toMatchObject({ name: 'TypeError', code: 'ERR_USB_ARGUMENT' });
    }
    for (const count of [-1, 1.5, NaN, '10', 2 ** 40, 7n, Symbol('count'), textless]) {
      await expect(publisher.getRecentEvents(count)).rejects.toMatchObject({ name: 'RangeError', code: 'ERR_USB_ARGUMENT', message: expect.stringMatching(/^count is /) });
    }
  });

  it.each([
    ['waitFor', 'match', [revoked({})]],
    ['waitFor', 'match', [revoked([])]],
    ['waitFor', 'match', [barred('vendorId')]],
    ['waitFor', 'options', [{}, revoked({})]],
    ['waitFor', 'options.timeout', [{}, barred('timeout')]],
    ['waitFor', 'options.signal', [{}, { signal: revoked({}) }]],
    ['waitFor', 'options.signal', [{}, { signal: Object.assign(barred('aborted'), { [Symbol.toStringTag]: 'AbortSignal' }) }]],
    ['events', 'options', [revoked({})]],
    ['events', 'options.since', [barred('since')]],
    ['events', 'options.signal', [{ signal: revoked({}) }]],
    ['dispatch', 'match', [revoked({}), { onAttach() {} }]],
    ['dispatch', 'match', [barred('vendor_ids'), { onAttach() {} }]],
    ['dispatch', 'match.vendor_ids', [{ vendor_ids: revoked([]) }, { onAttach() {} }]],
    ['dispatch', 'match.interfaces[0]', [{ interfaces: [revoked({})] }, { onAttach() {} }]],
    ['dispatch', 'match.interfaces[0]', [{ interfaces: [barred('class')] }, { onAttach() {} }]],
    ['dispatch', 'handlers.onAttach', [{}, revoked({})]],
    ['dispatch', 'handlers.onDetach', [{}, barred('onDetach')]],
  ])('of %s that cannot be read: %s', async (method, path, args) => {
    const error = await (async () => openDaemon()[method](...args))().catch((reason) => reason);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'ERR_USB_ARGUMENT', message: expect.stringMatching(/ cannot be read: /), cause: expect.any(Error) });
    expect(error.message.startsWith(`${path} `), error.message).toBe(true);
  });

  it('of initializeTracing that cannot be read', () => {
    for (const options of [revoked({}), barred('level')]) {
      const error = thrown(() => USBDaemon.initializeTracing(options));
      expect(error).toMatchObject({ code: 'ERR_USB_CONFIG', message: expect.stringMatching(/^options cannot be read: /) });
    }
  });
});
