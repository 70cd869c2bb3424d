// Values of a configuration that JSON does not know: none is dropped without a word, whoever is configured with them.

import { createContext, runInContext } from 'node:vm';
import { describe, expect, it, onTestFinished } from 'vitest';
import { USBDaemon, USBEventConsumer, USBEventPublisher } from './daemon.mjs';

const refused = (...parts) =>
  expect.objectContaining({ code: 'ERR_USB_CONFIG', message: expect.toSatisfy((message) => parts.every((part) => message.includes(part)), parts.join()) });
const daemon = (config) => () => new USBDaemon(config);

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

class Settings {
  get redis() {
    return false;
  }
}

describe('a daemon is refused by path', () => {
  it.each([
    [{ onAttach() {} }, 'onAttach is no key'],
    [{ monitoring: () => {} }, 'monitoring is a function: expected an object with allowed_hosts'],
    [{ filters: Symbol('filters') }, 'filters is a symbol: expected an object with'],
    [{ filters: { vendor_whitelist: () => [1] } }, 'filters.vendor_whitelist is a function: expected a list'],
    [{ filters: { vendor_whitelist: [1, undefined] } }, 'filters.vendor_whitelist[1] is undefined'],
    [{ filters: new Map([['vendor_whitelist', [1]]]) }, 'filters is no plain object'],
    [{ filters: new Date() }, 'filters is no plain object'],
    [{ filters: { toJSON() {} } }, 'filters.toJSON is no key'],
    [{ sources: new Set(['netlink']) }, 'sources is no plain object'],
    [JSON.parse('{ "__proto__": { "redis": false } }'), '__proto__ is no key'],
    [JSON.parse('{ "filters": { "__proto__": {} } }'), 'filters.__proto__ is no key'],
    [Object.create({ redis: false }), 'the configuration is no plain object'],
    [new Settings(), 'the configuration is no plain object'],
    [() => {}, 'the configuration is a function'],
    [{ monitoring: { interval: NaN } }, 'monitoring.interval is NaN: expected a whole number'],
    [{ shutdown_ms: Infinity }, 'shutdown_ms is Infinity: expected a whole number'],
    [{ performance: { batch_size: 10n } }, 'performance.batch_size is a BigInt: expected a whole number'],
    [{ outbox: { path() {} } }, 'outbox.path is a function: expected what JSON knows'],
    [{ redis: { password: () => 'secret' } }, 'redis.password is a function: expected what JSON knows'],
    [{ redis: { tls: { ca: Buffer.from([0xff, 0xfe]) } } }, 'redis.tls.ca is an object: expected a text'],
  ])('%# %o', (config, message) => {
    expect(daemon(config)).toThrow(refused(message));
  });

  it('where a proxy does not answer any more', () => {
    for (const config of [revoked(), { redis: revoked() }]) expect(daemon(config)).toThrow(refused('the configuration cannot be read'));
  });

  it('of all that is wrong at once', () => {
    const config = { filters: { rules: [{ action: Symbol('x'), match: { serial: () => 1 } }] }, shutdown_ms: -1, host: () => 1, monitoring: { host: null } };
    expect(daemon(config)).toThrow(refused('bad configuration, 5 faults: ', 'filters.rules[0].action is a symbol', 'filters.rules[0].match.serial is a function', 'shutdown_ms is -1', 'host is no key', 'monitoring.host is null'));
  });

  it('where an object is in itself', () => {
    const config = { filters: {} };
    config.filters.rules = config;
    expect(daemon(config)).toThrow(refused('filters.rules is what it is in'));
  });

  it('but not for what is a plain object elsewhere', () => {
    expect(daemon(runInContext('({ redis: false, filters: { vendor_whitelist: [1] } })', createContext()))).not.toThrow();
    expect(daemon(Object.assign(Object.create(null), { redis: false }))).not.toThrow();
  });
});

describe.each([
  ['a consumer', USBEventConsumer],
  ['a publisher', USBEventPublisher],
])('%s', (_, Class) => {
  it.each([
    [{ port: NaN }, 'redis.port is NaN: expected a whole number'],
    [{ password: () => 'secret' }, 'redis.password is a function'],
    [new Map(), 'redis is no plain object'],
  ])('is refused as well: %# %o', (redis, message) => {
    expect(() => new Class(redis)).toThrow(refused(message));
  });

  it('is refused a proxy that does not answer any more', () => {
    expect(() => new Class(revoked())).toThrow(refused('the configuration cannot be read'));
  });
});

describe('options of ioredis are warned of, whatever their value is:', () => {
  const redis = { host: 'localhost', lazyConnect: true, retryStrategy: () => 1, sentinels: new Set(), keepAlive: NaN };
  const close = (publisher) => onTestFinished(() => publisher.close());

  it.each([
    ['a daemon', () => new USBDaemon({ redis })],
    ['a consumer', () => new USBEventConsumer(redis)],
    ['a publisher', () => close(new USBEventPublisher(redis))],
  ])('%s', async (_, open) => {
    const warnings = [];
    const note = (warning) => warnings.push(warning);
    process.on('warning', note);
    onTestFinished(() => void process.off('warning', note));
    open();
    await new Promise(setImmediate);
    const ours = warnings.filter(({ code }) => code === 'USB_CONFIG').map(({ message }) => message);
    expect(ours.sort()).toEqual(['keepAlive', 'lazyConnect', 'retryStrategy', 'sentinels'].map((key) => `redis.${key} is an option of ioredis that has no effect here`));
  });

  it('others are faults', () => {
    expect(daemon({ redis: { retryStrategy: () => 1, prot: () => 1 } })).toThrow(refused('bad configuration: redis.prot is no key: did you mean "port"?'));
  });
});
