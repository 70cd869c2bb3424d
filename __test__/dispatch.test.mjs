// daemon.dispatch: devices handed to whoever cares for them, by the permissions of an AutoWeave manifest.

import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { openDaemon } from './daemon.mjs';

const require = createRequire(import.meta.url);
const { Audience } = require('../js/audience.js');
const { Dispatch } = require('../js/dispatch.js');

const SCANNER = { name: '201-1', vendorId: 0x04a9, productId: 0x220e, interfaces: [{ class: 6, subclass: 1, protocol: 1 }] };
const KEYBOARD = { name: '201-2', vendorId: 0x046d, productId: 0xc31c, deviceClass: 3 };
const tick = () => new Promise(setImmediate);

async function started(...devices) {
  const daemon = openDaemon();
  await daemon.start();
  for (const device of devices) daemon.simulateAttach(device);
  if (devices.length > 0) await daemon.heard.waitFor('device:attach', { count: devices.length });
  return daemon;
}

/** Dispatches and notes what comes: `+1` for an attach at port 1, `-1` for its detach. */
function follow(daemon, match, notes = []) {
  const dispatch = daemon.dispatch(match, {
    onAttach: ({ location }) => void notes.push(`+${location.portPath}`),
    onDetach: ({ location }) => void notes.push(`-${location.portPath}`),
  });
  return { notes, dispatch };
}

describe('a match', () => {
  it.each([
    [{}, ['+1', '+2']],
    [{ vendor_ids: [] }, ['+1', '+2']],
    [{ vendor_ids: ['0x04A9'] }, ['+1']],
    [{ vendor_ids: ['04a9'] }, ['+1']],
    [{ vendor_ids: [1193] }, ['+1']],
    [{ vendor_ids: [1193, '046d'] }, ['+1', '+2']],
    [{ vendor_ids: ['0x04A9'], product_ids: ['0xC31C'] }, []],
    [{ product_ids: ['0xC31C'], vendor_ids: undefined }, ['+2']],
    [{ device_classes: [3] }, ['+2']],
    [{ device_classes: [6, 8] }, ['+1']],
    [{ device_classes: ['0x06'] }, ['+1']],
    [{ vendorIds: [1193], productIds: [0x220e], deviceClass: [6] }, ['+1']],
    [{ interfaces: [6] }, ['+1']],
    [{ interfaces: ['06/01'] }, ['+1']],
    [{ interfaces: ['06/01/02'] }, []],
    [{ interfaces: [{ class: 6, protocol: 1 }] }, ['+1']],
    [{ capabilities: ['image:ptp', 'storage:uas'] }, ['+1']],
    [{ capabilities: ['hid:*'], vendor_ids: ['046d'] }, ['+2']],
    [{ capabilities: ['serial:*', 'hid:mouse'] }, []],
    [{ vendor_ids: ['0x04A9'], exclusive: false, detach_kernel_driver: false }, ['+1']],
    [({ vendorId }) => vendorId === 0x046d, ['+2']],
  ])('%j means the right ones', async (match, expected) => {
    const daemon = await started(SCANNER, KEYBOARD);
    const { notes } = follow(daemon, match);
    await tick();
    expect(notes).toEqual(expected);
  });

  it.each([
    [null, 'match is null: expected a plain object or a function'],
    [new Map([['vendor_ids', [1]]]), 'match is an object: expected a plain object'],
    [[], 'match is an object'],
    [{ vendor_id: [] }, 'match.vendor_id is no known key: did you mean "vendor_ids"?'],
    [{ deviceClasses: [] }, 'did you mean "device_classes"?'],
    [{ vendor_ids: '0x04A9' }, 'match.vendor_ids is "0x04A9": expected a list'],
    [{ vendor_ids: [1, 'canon'] }, 'match.vendor_ids[1] is "canon"'],
    [{ vendor_ids: ['0x104A9'] }, 'match.vendor_ids[0] is "0x104A9"'],
    [{ device_classes: [256] }, 'match.device_classes[0] is 256'],
    [{ interfaces: ['06/01/01/01'] }, 'match.interfaces[0] is "06/01/01/01"'],
    [{ capabilities: ['hid'] }, 'match.capabilities[0] is "hid": expected a capability, as in hid:keyboard, or a group of them, as in serial:*'],
    [{ capabilities: ['*:other'] }, 'match.capabilities[0] is "*:other"'],
    [{ interfaces: [{ klass: 6 }] }, 'match.interfaces[0].klass is no known key: did you mean "class"?'],
    [{ interfaces: [new Map([['class', 6]])] }, 'match.interfaces[0] is an object: expected a class or a plain object'],
  ])('%j is refused by name', (match, message) => {
    const refused = expect.objectContaining({ code: 'ERR_USB_ARGUMENT', message: expect.stringContaining(message) });
    expect(() => openDaemon().dispatch(match, { onAttach() {} })).toThrow(refused);
  });

  it('is refused with a list whose length is none', () => {
    let asked = 0;
    for (const length of [-1, 1.5, 65_537, { valueOf: () => (asked++ ? Infinity : 0) }]) {
      const list = new Proxy([1], { get: (target, key) => (key === 'length' ? length : Reflect.get(target, key)) });
      const message = 'match.vendor_ids is an object: expected a list of 65536 at most';
      const refused = expect.objectContaining({ code: 'ERR_USB_ARGUMENT', message });
      expect(() => openDaemon().dispatch({ vendor_ids: list }, { onAttach() {} })).toThrow(refused);
    }
  });

  it('is refused with handlers that are none', () => {
    const refused = (message) => expect.objectContaining({ code: 'ERR_USB_ARGUMENT', message: expect.stringContaining(message) });
    expect(() => openDaemon().dispatch({}, undefined)).toThrow(refused('handlers is undefined'));
    expect(() => openDaemon().dispatch({}, { onAttach: 1 })).toThrow(refused('handlers.onAttach is 1: expected a function'));
  });

  it.each([
    [{}, ''],
    [{ logger: 1 }, ''],
    [{ logger: 1, onattach() {} }, ': instead of "onattach", did you mean "onAttach"?'],
    [{ on_detach() {} }, ': instead of "on_detach", did you mean "onDetach"?'],
  ])('is refused with handlers none of which would be called: %j', (handlers, hint) => {
    const message = `handlers has none of onAttach, onReady and onDetach${hint}`;
    expect(() => openDaemon().dispatch({}, handlers)).toThrow(expect.objectContaining({ code: 'ERR_USB_ARGUMENT', message }));
  });
});

describe('a dispatch', () => {
  it('tells of what is there, then of what comes and goes', async () => {
    const daemon = await started(SCANNER);
    const { notes } = follow(daemon, {});
    expect(notes).toEqual([]);
    daemon.simulateAttach(KEYBOARD);
    daemon.simulateDetach('201-1');
    await daemon.heard.waitFor('device:detach');
    await tick();
    expect(notes).toEqual(['+1', '+2', '-1']);
  });

  it('begun within a listener tells of the very device once, and of its detach after it', async () => {
    const daemon = await started();
    const notes = [];
    daemon.once('device:attach', () => follow(daemon, {}, notes));
    daemon.simulateAttach(SCANNER);
    daemon.simulateDetach('201-1');
    daemon.simulateAttach(KEYBOARD);
    await daemon.heard.waitFor('device:attach', { count: 2 });
    await tick();
    expect(notes).toEqual(['+1', '-1', '+2']);
  });

  it('that is disposed of by its own handler, within the listener that has begun it, calls no other', async () => {
    const daemon = await started();
    const notes = [];
    daemon.once('device:attach', () => {
      const dispatch = daemon.dispatch({}, { onAttach: () => (notes.push('+'), dispatch.dispose()) });
    });
    daemon.simulateAttach(SCANNER);
    daemon.simulateAttach(KEYBOARD);
    await daemon.heard.waitFor('device:attach', { count: 2 });
    await tick();
    expect(notes).toEqual(['+']);
  });

  it('knows a device whose description a listener has changed', async () => {
    const daemon = await started();
    daemon.on('device:attach', (info) => (info.signature = 'another'));
    const { notes } = follow(daemon, {});
    daemon.simulateAttach(SCANNER);
    daemon.simulateDetach('201-1');
    await daemon.heard.waitFor('device:detach');
    await tick();
    expect(notes).toEqual(['+1', '-1']);
  });

  it('tells of no detach where it has told of no attach', async () => {
    const daemon = await started(SCANNER, KEYBOARD);
    const { notes } = follow(daemon, { vendor_ids: ['0x04A9'] });
    daemon.simulateDetach('201-2');
    daemon.simulateDetach('201-1');
    await daemon.heard.waitFor('device:detach', { count: 2 });
    await tick();
    expect(notes).toEqual(['+1', '-1']);
  });

  it('ends when it is disposed of, even before it has begun or in the midst of what is there', async () => {
    const daemon = await started(SCANNER, KEYBOARD);
    const { notes, dispatch } = follow(daemon, {});
    dispatch.dispose();
    const seen = [];
    const other = daemon.dispatch({}, {
      onAttach({ location }) {
        seen.push(location.portPath);
        other[Symbol.dispose ?? Symbol.for('nodejs.dispose')]();
      },
    });
    daemon.simulateDetach('201-1');
    daemon.simulateAttach({ name: '201-3' });
    await daemon.heard.waitFor('device:attach', { count: 3 });
    await tick();
    expect([notes, seen]).toEqual([[], ['1']]);
  });

  it('may be made before the start, and outlives a stop: what is there after the next start is told anew', async () => {
    const daemon = openDaemon();
    const { notes } = follow(daemon, {});
    for (let round = 1; round <= 2; round += 1) {
      await daemon.start();
      daemon.simulateAttach(SCANNER);
      await daemon.heard.waitFor('device:attach', { count: round });
      await daemon.stop();
    }
    expect(notes).toEqual(['+1', '+1']);
  });

  it('forgets at a stop what was there, though it comes again under the same signature', () => {
    const audience = new Audience();
    const notes = [];
    const dispatch = new Dispatch(audience, [], () => undefined, {}, { onAttach: () => notes.push('+'), onDetach: () => notes.push('-') }, () => {});
    const device = { signature: 's' };
    audience.tell('attach', device, device);
    audience.end();
    audience.tell('detach', device, device);
    audience.tell('attach', device, device);
    dispatch.dispose();
    expect(notes).toEqual(['+', '+']);
  });

  it('calls handlers as methods of the object they came in', async () => {
    class Plugin {
      seen = [];
      onAttach({ vendorId }) {
        this.seen.push(vendorId);
      }
    }
    const daemon = await started(SCANNER);
    const plugin = new Plugin();
    daemon.dispatch({}, plugin);
    await tick();
    expect(plugin.seen).toEqual([0x04a9]);
  });
});

describe('a handler that fails', () => {
  it('is told where a match gives a promise, and no device is meant by it', async () => {
    const daemon = await started(SCANNER);
    const { notes } = follow(daemon, async () => false);
    await daemon.heard.waitFor('error');
    expect(daemon.heard.of('error')[0]).toMatchObject({ code: 'ERR_USB_HANDLER', cause: { code: 'ERR_USB_ARGUMENT' } });
    expect(notes).toEqual([]);
  });

  it('is told by an error event with its context, and the others still get theirs', async () => {
    const daemon = await started(SCANNER);
    const mine = new Error('mine');
    daemon.dispatch({}, { onAttach: () => { throw mine; }, onDetach: () => Promise.reject(new Error('later')) });
    daemon.dispatch(() => { throw new Error('unsure'); }, { onAttach() {} });
    const { notes } = follow(daemon, {});
    daemon.simulateDetach('201-1');
    await daemon.heard.waitFor('error', { count: 3 });
    expect(notes).toEqual(['+1', '-1']);
    const told = daemon.heard.all.filter(({ event }) => event === 'error').map(({ value, context }) => [context, value.code, value.message]);
    expect(told.sort()).toEqual([
      ['dispatch:match', 'ERR_USB_HANDLER', 'match has thrown: unsure'],
      ['dispatch:onAttach', 'ERR_USB_HANDLER', 'onAttach has thrown: mine'],
      ['dispatch:onDetach', 'ERR_USB_HANDLER', 'onDetach has thrown: later'],
    ]);
    expect(daemon.heard.of('error').find(({ message }) => message.includes('mine')).cause).toBe(mine);
  });
});
