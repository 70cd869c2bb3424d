// What waits for readiness and hands it over, between the addon and a program; that it is true, kernel-ready.test.mjs shows.

import { createRequire } from 'node:module';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openDaemon } from './daemon.mjs';

const require = createRequire(import.meta.url);
const { Audience } = require('../js/audience.js');
const { Dispatch } = require('../js/dispatch.js');
const { deviceMatch } = require('../js/match.js');
const { waitForReady } = require('../js/waiting.js');

const device = (signature) => ({ signature, vendorId: 0x0403, location: { portPath: '1.2' }, interfaces: [], deviceDescriptor: {}, capabilities: ['hid:other'] });
const ready = (signature) => ({ device: device(signature), isReady: true, obstacles: [], nodes: [], capabilities: ['hid:gamepad'] });
const late = (signature) => ({ ...ready(signature), isReady: false, obstacles: [{ reason: 'udev-busy', detail: 'udev has not finished with sda1' }] });
const any = () => true;

describe('a wait for readiness', () => {
  it('ends at once with a device that is ready, and passes over one that is not', async () => {
    const there = ready('b');
    expect(await waitForReady(new Audience(), [late('a'), there], any, {})).toBe(there);
  });

  it('ends once the device that is meant is ready, and leaves nobody behind', async () => {
    const audience = new Audience();
    const wait = waitForReady(audience, [], ({ signature }) => signature === 'b', {});
    const wanted = ready('b');
    for (const told of [ready('a'), late('b'), wanted, ready('b')]) audience.tellReady(told, told.device.signature);
    expect(await wait).toBe(wanted);
    audience.end();
  });

  it('asks for what a device can do as it is known by then, and as it was known before', async () => {
    for (const capability of ['hid:gamepad', 'hid:*', 'hid:other']) {
      const there = ready('a');
      expect(await waitForReady(new Audience(), [there], deviceMatch({ capability }), {}), capability).toBe(there);
      expect(there.device.capabilities).toEqual(['hid:other']);
    }
    const wait = waitForReady(new Audience(), [ready('a')], deviceMatch({ capability: 'hid:mouse' }), { timeout: 20 });
    await expect(wait).rejects.toMatchObject({ code: 'ERR_USB_TIMEOUT' });
  });

  it('says what stood in the way when the time is over', async () => {
    const audience = new Audience();
    const wait = waitForReady(audience, [], any, { timeout: 20 });
    audience.tellReady(late('a'), 'a');
    await expect(wait).rejects.toMatchObject({
      code: 'ERR_USB_TIMEOUT',
      message: 'no such device was ready within 20 ms: port 1.2: udev has not finished with sda1',
    });
  });

  it('ends with the daemon, with its signal, and with what the match throws', async () => {
    const audience = new Audience();
    const waits = [waitForReady(audience, [], any, {}), waitForReady(audience, [], any, { signal: AbortSignal.abort('enough') })];
    const thrown = waitForReady(audience, [], () => { throw new Error('odd'); }, {});
    audience.tellReady(ready('a'), 'a');
    await expect(thrown).rejects.toThrow('odd');
    expect(await waits[0]).toMatchObject({ isReady: true });
    await expect(waits[1]).rejects.toMatchObject({ name: 'AbortError' });
    const last = waitForReady(audience, [], any, {});
    audience.end();
    await expect(last).rejects.toMatchObject({ code: 'ERR_USB_NOT_RUNNING' });
  });

  it('is refused where nothing looks, and before the start', async () => {
    const daemon = openDaemon({ ready: { enabled: false } });
    await daemon.start();
    await expect(daemon.waitForReady({})).rejects.toMatchObject({ code: 'ERR_USB_SOURCE', message: expect.stringContaining('ready.enabled') });
    await expect(openDaemon().waitForReady({})).rejects.toMatchObject({ code: 'ERR_USB_NOT_RUNNING' });
    await expect(daemon.waitForReady({ vendor: 1 })).rejects.toMatchObject({ code: 'ERR_USB_ARGUMENT' });
  });
});

describe('a dispatch', () => {
  function told(present, known) {
    const audience = new Audience();
    const calls = [];
    const note = (name) => (given) => calls.push(`${name} ${given.signature ?? given.device.signature}`);
    const handlers = { onAttach: note('attach'), onReady: note('ready'), onDetach: note('detach') };
    const dispatch = new Dispatch(audience, present, (signature) => known[signature], { vendor_ids: [0x0403] }, handlers, () => {});
    return { audience, calls, dispatch };
  }

  it('hands over readiness after the attach: of devices that are there, and of those that come', async () => {
    const { audience, calls } = told([['a', device('a')], ['b', device('b')]], { a: ready('a') });
    await turn();
    expect(calls).toEqual(['attach a', 'ready a', 'attach b']);
    audience.tellReady(ready('b'), 'b');
    audience.tell('attach', { ...device('c'), vendorId: 1 }, { signature: 'c' });
    audience.tellReady(ready('c'), 'c');
    audience.tell('detach', device('a'), { signature: 'a' });
    audience.tellReady(ready('a'), 'a');
    expect(calls.slice(3)).toEqual(['ready b', 'detach a']);
  });

  it('tells once of a device that gets ready before its turn', async () => {
    const known = {};
    const { audience, calls } = told([['a', device('a')]], known);
    known.a = ready('a');
    audience.tellReady(known.a, 'a');
    await turn();
    expect(calls).toEqual(['attach a', 'ready a']);
  });

  it('takes onReady alone', () => {
    expect(() => new Dispatch(new Audience(), [], () => {}, {}, { onReady() {} }, () => {})).not.toThrow();
  });
});
