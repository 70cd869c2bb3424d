// daemon.waitFor: for devices that are there, for those that come, and for what ends the wait.

import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import { openDaemon } from './daemon.mjs';
import { uncaught } from './uncaught.mjs';

const { Audience } = createRequire(import.meta.url)('../js/audience.js');

const SCANNER = { name: '201-1.2', vendorId: 0x04a9, productId: 0x220e, manufacturer: 'Canon', product: 'LiDE', serialNumber: 'S-1', interfaces: [{ class: 6, subclass: 1, protocol: 1 }] };
const KEYBOARD = { name: '202-3', vendorId: 0x046d, productId: 0xc31c, deviceClass: 3 };

/** As jsdom and the package abort-controller have it: with the tag, and of another class. */
class ForeignSignal extends EventTarget {
  aborted = false;
  reason = 'enough';
  get [Symbol.toStringTag]() {
    return 'AbortSignal';
  }
}

async function started() {
  const daemon = openDaemon();
  await daemon.start();
  return daemon;
}

describe('a wait', () => {
  it.each([
    ['vendorId', 0x04a9],
    ['vendorId', '0x04A9'],
    ['vendorId', '04a9'],
    ['productId', 0x220e],
    ['serialNumber', 'S-1'],
    ['manufacturer', 'Canon'],
    ['product', 'LiDE'],
    ['stableId', '04a9:220e:S-1'],
    ['portPath', '1.2'],
    ['busNumber', 201],
    ['class', 6],
    ['capability', 'image:*'],
  ])('ends at once with the device that is there and fits: %s %j', async (key, value) => {
    const daemon = await started();
    daemon.simulateAttach(KEYBOARD);
    daemon.simulateAttach(SCANNER);
    await daemon.heard.waitFor('device:attach', { count: 2 });
    expect((await daemon.waitFor({ [key]: value })).product).toBe('LiDE');
  });

  it('ends with the first that comes and fits in everything', async () => {
    const daemon = await started();
    const wait = daemon.waitFor({ vendorId: 0x04a9, class: 6, productId: undefined });
    daemon.simulateAttach(KEYBOARD);
    daemon.simulateAttach({ ...SCANNER, name: '201-4', interfaces: [] });
    daemon.simulateAttach(SCANNER);
    const found = await wait;
    expect(found.location.portPath).toBe('1.2');
    expect(daemon.connectedDevices.get(found.signature)).toBe(found);
  });

  it('knows the class of the device as well as those of its interfaces', async () => {
    const daemon = await started();
    daemon.simulateAttach(KEYBOARD);
    expect((await daemon.waitFor({ class: 3 })).vendorId).toBe(0x046d);
  });

  it('asks a function, and fails with what that throws', async () => {
    const daemon = await started();
    const wait = daemon.waitFor(({ product }) => product === 'LiDE');
    const failing = daemon.waitFor(() => { throw new Error('mine'); });
    daemon.simulateAttach(SCANNER);
    await expect(failing).rejects.toThrow('mine');
    expect((await wait).serialNumber).toBe('S-1');
    await expect(daemon.waitFor(() => { throw new Error('again'); })).rejects.toThrow('again');
  });

  it.each([
    ['promises', async () => false],
    ['promises that fail', () => Promise.reject(new Error('nobody asks'))],
    ['other thenables', () => ({ then() {} })],
  ])('takes no %s for an answer', async (_name, match) => {
    const daemon = await started();
    const refused = { name: 'TypeError', code: 'ERR_USB_ARGUMENT', message: expect.stringContaining('match has given a promise') };
    const coming = expect(daemon.waitFor(match)).rejects.toMatchObject(refused);
    daemon.simulateAttach(SCANNER);
    await coming;
    await expect(daemon.waitFor(match)).rejects.toMatchObject(refused);
  });

  it('takes a plain object of any realm, and one without a prototype', async () => {
    const daemon = await started();
    daemon.simulateAttach(KEYBOARD);
    const matches = [runInNewContext('({ class: 3 })'), Object.assign(Object.create(null), { class: 3 })];
    for (const match of matches) expect((await daemon.waitFor(match)).vendorId).toBe(0x046d);
  });

  it('begun while the daemon starts is served by that start', async () => {
    const daemon = openDaemon();
    daemon.start();
    const wait = daemon.waitFor({ portPath: '3' });
    await daemon.start();
    daemon.simulateAttach(KEYBOARD);
    expect((await wait).vendorId).toBe(0x046d);
  });

  it('is no listener: a hundred of them bring no warning, and removeAllListeners() leaves them', async () => {
    const daemon = await started();
    const waits = Array.from({ length: 100 }, () => daemon.waitFor({ portPath: '3' }));
    expect(daemon.listenerCount('device:attach')).toBeLessThan(EventEmitter.defaultMaxListeners);
    daemon.removeAllListeners();
    daemon.simulateAttach(KEYBOARD);
    expect(new Set(await Promise.all(waits)).size).toBe(1);
  });
});

describe('a wait in vain', () => {
  it('ends with the signal, also with one that came before', async () => {
    const daemon = await started();
    const controller = new AbortController();
    const wait = daemon.waitFor({ vendorId: 1 }, { signal: controller.signal });
    controller.abort('enough');
    await expect(wait).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' });
    daemon.simulateAttach(KEYBOARD);
    await daemon.heard.waitFor('device:attach');
    await expect(daemon.waitFor({ portPath: '3' }, { signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('takes the signal of another realm', async () => {
    const daemon = await started();
    const signal = new ForeignSignal();
    const wait = daemon.waitFor({ vendorId: 1 }, { signal });
    await null;
    signal.dispatchEvent(new Event('abort'));
    await expect(wait).rejects.toMatchObject({ name: 'AbortError', cause: 'enough' });
  });

  it('through a signal that fails ends nevertheless, and hinders neither other waits nor the stop', async () => {
    const daemon = await started();
    const errors = uncaught();
    const failing = (name) => Object.assign(new ForeignSignal(), { [name]: () => { throw new Error(name); } });
    await expect(daemon.waitFor({ portPath: '9' }, { signal: failing('addEventListener') })).rejects.toThrow('addEventListener');
    const first = daemon.waitFor({ portPath: '9' }, { signal: failing('removeEventListener') });
    const second = daemon.waitFor({ portPath: '9' });
    await Promise.all([daemon.stop(), ...[first, second].map((wait) => expect(wait).rejects.toMatchObject({ code: 'ERR_USB_NOT_RUNNING' }))]);
    expect(daemon.heard.of('stopped')).toHaveLength(1);
    await vi.waitUntil(() => errors.length > 0);
    expect(errors).toEqual(['removeEventListener']);
  });

  it('ends with the timeout', async () => {
    const daemon = await started();
    await expect(daemon.waitFor({ vendorId: 1 }, { timeout: 1 })).rejects.toMatchObject({ code: 'ERR_USB_TIMEOUT', message: 'no such device came within 1 ms' });
  });

  it('ends with the daemon, and a device of its next start does not end it', async () => {
    const daemon = await started();
    const wait = daemon.waitFor({ portPath: '3' });
    const stopped = daemon.stop();
    daemon.start();
    await expect(wait).rejects.toMatchObject({ code: 'ERR_USB_NOT_RUNNING' });
    await stopped;
  });

  it('is none of a daemon that was not started, or is to stop', async () => {
    const daemon = openDaemon();
    await expect(daemon.waitFor({})).rejects.toMatchObject({ code: 'ERR_USB_NOT_RUNNING' });
    await daemon.start();
    daemon.simulateAttach(KEYBOARD);
    await daemon.heard.waitFor('device:attach');
    const stopped = daemon.stop();
    await expect(daemon.waitFor({})).rejects.toMatchObject({ code: 'ERR_USB_NOT_RUNNING' });
    // What is there belongs to the run that stops.
    daemon.start();
    const next = daemon.waitFor({});
    await stopped;
    await daemon.start();
    daemon.simulateAttach({ ...KEYBOARD, name: '201-5' });
    expect((await next).location.portPath).toBe('5');
  });
});

it('a member of the audience that throws keeps nothing from the others', async () => {
  const errors = uncaught();
  const audience = new Audience();
  const told = [];
  audience.add({ transition: () => { throw new Error('of a transition'); }, end: () => { throw new Error('of an end'); } });
  audience.add({ transition: (type) => told.push(type), end: () => told.push('end') });
  audience.tell('attach', {});
  audience.end();
  expect(told).toEqual(['attach', 'end']);
  await vi.waitUntil(() => errors.length === 2);
  expect(errors).toEqual(['of a transition', 'of an end']);
});

describe('a bad argument', () => {
  it.each([
    [[undefined], 'match is undefined: expected a plain object or a function'],
    [[new Map([['vendorId', 1]])], 'match is an object: expected a plain object or a function'],
    [[new (class { vendorId = 1; })()], 'match is an object: expected a plain object'],
    [[[]], 'match is an object: expected a plain object'],
    [['usb'], 'match is "usb"'],
    [[{ vendor_id: 1 }], 'match.vendor_id is no known key: did you mean "vendorId"?'],
    [[{ serial: 'x' }], 'match.serial is no known key: known are vendorId,'],
    [[{ serialNumer: 'x' }], 'did you mean "serialNumber"?'],
    [[{ capability: 'image' }], 'match.capability is "image": expected a capability, as in hid:keyboard, or a group of them, as in serial:*'],
    [[{ vendorId: 0x10000 }], 'match.vendorId is 65536: expected a whole number from 0 to 65535, or that in hex as text'],
    [[{ vendorId: 'canon' }], 'match.vendorId is "canon"'],
    [[{ class: 256 }], 'match.class is 256'],
    [[{ serialNumber: 7 }], 'match.serialNumber is 7: expected a text'],
    [[{}, 5], 'options is 5'],
    [[{}, { timeuot: 5 }], 'options.timeuot is no known key: did you mean "timeout"?'],
    [[{}, { timeout: -1 }], 'options.timeout is -1: expected a number of ms'],
    [[{}, { timeout: Infinity }], 'options.timeout is Infinity'],
    [[{}, { signal: {} }], 'options.signal is an object: expected an AbortSignal'],
    [[{}, { signal: null }], 'options.signal is null: expected an AbortSignal'],
    [[{}, { signal: { aborted: false, addEventListener() {} } }], 'options.signal is an object: expected an AbortSignal'],
    [[{}, { signal: Object.assign(new EventTarget(), { aborted: false }) }], 'options.signal is an object: expected an AbortSignal'],
  ])('is a TypeError that names it: %j', async (args, message) => {
    const error = await openDaemon().waitFor(...args).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'ERR_USB_ARGUMENT', message: expect.stringContaining(message) });
  });
});
