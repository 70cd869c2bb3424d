// Devices that a program tells of: their strings, the order of calls, and what becomes of calls when the daemon stops. The
// addon's side is a list of what it was given.

import { createRequire } from 'node:module';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openDaemon } from './daemon.mjs';
import { speakingObject, usbObject } from './usb-objects.mjs';

const { Injection } = createRequire(import.meta.url)('../js/injection.js');

/** An injection with what the addon was given, as [action, facts]. */
function open(refuse = () => {}) {
  const given = [];
  const injection = new Injection((action, json) => {
    const facts = JSON.parse(json);
    refuse(facts);
    return given.push([action, facts]);
  });
  const state = (promise) => Promise.race([promise.then(() => 'done', (error) => error), Promise.resolve().then(() => {}).then(() => 'waits')]);
  return { injection, given, state, addresses: () => given.map(([action, { location }]) => `${action} ${location.deviceAddress}`) };
}

const STRINGS = { 1: 'Canon', 2: 'LiDE', 3: 'S-1' };

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

describe('a call', () => {
  it('is done when the addon has told what became of it', async () => {
    const { injection, given, state } = open();
    const call = injection.take('attach', usbObject());
    expect(given).toEqual([['attach', expect.objectContaining({ location: { busNumber: 1, deviceAddress: 7, portPath: '4.2' } })]]);
    expect(await state(call)).toBe('waits');
    injection.settle(1);
    await call;
    injection.settle(1);
    injection.settle(99);
  });

  it('fails with what the addon throws, and the next one goes on', async () => {
    const { injection, addresses } = open(({ location }) => {
      if (location.deviceAddress === 1) throw Object.assign(new Error('refused'), { code: 'ERR_USB_DEVICE' });
    });
    await expect(injection.take('attach', usbObject({ deviceAddress: 1 }))).rejects.toMatchObject({ code: 'ERR_USB_DEVICE', message: 'refused' });
    injection.take('attach', usbObject({ deviceAddress: 2 }));
    expect(addresses()).toEqual(['attach 2']);
  });

  it('with a malformed device fails at once and gives nothing to the addon', async () => {
    const { injection, given } = open();
    const slow = speakingObject(STRINGS);
    injection.take('attach', slow.device);
    await expect(injection.take('attach', usbObject({}, { idVendor: -1 }))).rejects.toMatchObject({ code: 'ERR_USB_DEVICE' });
    slow.sayAll();
    expect(given).toHaveLength(1);
  });
});

describe('calls', () => {
  it('take effect in their order, however slow a string is', () => {
    const { injection, addresses } = open();
    const slow = speakingObject(STRINGS, { deviceAddress: 1 });
    injection.take('attach', slow.device);
    injection.take('attach', usbObject({ deviceAddress: 2 }));
    injection.take('detach', slow.device);
    injection.take('detach', usbObject({ deviceAddress: 2 }));
    expect(addresses()).toEqual([]);
    slow.sayAll();
    expect(addresses()).toEqual(['attach 1', 'attach 2', 'detach 1', 'detach 2']);
  });

  it('keep their order though a device calls back while it is read', () => {
    const { injection, addresses } = open();
    const outer = Object.defineProperty(usbObject({ deviceAddress: 1 }), 'product', {
      get: () => void injection.take('attach', usbObject({ deviceAddress: 2 })),
    });
    injection.take('attach', outer);
    expect(addresses()).toEqual(['attach 1', 'attach 2']);
  });

  it('by the fifty read their strings at the same time: those that never come cost one second in all', async () => {
    const { injection, given } = open();
    for (let at = 1; at <= 50; at += 1) injection.take('attach', speakingObject(STRINGS, { deviceAddress: at }).device);
    await vi.advanceTimersByTimeAsync(999);
    expect(given).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(given.map(([, { location }]) => location.deviceAddress)).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
  });

  it('wait for no one whose strings are malformed', async () => {
    const { injection, addresses } = open();
    const bad = speakingObject(STRINGS, { deviceAddress: 1 });
    const refused = expect(injection.take('attach', bad.device)).rejects.toMatchObject({
      code: 'ERR_USB_DEVICE', message: 'device.getStringDescriptor(1) is a text of 1048576 characters: expected a text of 255 characters at most',
    });
    injection.take('attach', usbObject({ deviceAddress: 2 }));
    bad.say(1, 'x'.repeat(1 << 20));
    await refused;
    expect(addresses()).toEqual(['attach 2']);
    expect(bad.done.at(-1)).toBe('close');
  });
});

describe('strings', () => {
  const told = (given) => {
    expect(given).toHaveLength(1);
    const { manufacturer, product, serialNumber } = given[0][1];
    return [manufacturer, product, serialNumber];
  };

  it('are read through open, getStringDescriptor and close', () => {
    const { injection, given } = open();
    const { device, done, sayAll } = speakingObject(STRINGS);
    injection.take('attach', device);
    sayAll();
    expect(told(given)).toEqual(['Canon', 'LiDE', 'S-1']);
    expect(done).toEqual(['open', 'ask 1', 'ask 2', 'ask 3', 'close']);
  });

  it('are asked for only where the descriptor has an index and the object no text', () => {
    const { injection, given } = open();
    const { device, done, say } = speakingObject(STRINGS, { manufacturer: 'Ready' });
    device.deviceDescriptor.iProduct = 0;
    injection.take('attach', device);
    say(3);
    expect(told(given)).toEqual(['Ready', undefined, 'S-1']);
    expect(done).toEqual(['open', 'ask 3', 'close']);
  });

  it('that do not come within a second are empty, and those that came stay', async () => {
    const { injection, given } = open();
    const { device, done, say } = speakingObject(STRINGS);
    injection.take('attach', device);
    say(2);
    await vi.advanceTimersByTimeAsync(1000);
    expect(told(given)).toEqual([undefined, 'LiDE', undefined]);
    expect(done.at(-1)).toBe('close');
  });

  it('that come twice or late change nothing', async () => {
    const { injection, given } = open();
    const { device, done, say, sayAll } = speakingObject(STRINGS);
    injection.take('attach', device);
    say(1);
    say(1, 'again');
    await vi.advanceTimersByTimeAsync(1000);
    say(2, 'late');
    sayAll();
    expect(told(given)).toEqual(['Canon', undefined, undefined]);
    expect(done.filter((step) => step === 'close')).toHaveLength(1);
  });

  it('are none where the device cannot be opened, and it is not closed', () => {
    const { injection, given } = open();
    const { device, done } = speakingObject(STRINGS, { open: () => { throw new Error('LIBUSB_ERROR_ACCESS'); } });
    injection.take('attach', device);
    expect(told(given)).toEqual([undefined, undefined, undefined]);
    expect(done).toEqual([]);
  });

  it('that fail, by callback or by throwing, are empty', () => {
    const { injection, given } = open();
    const { device } = speakingObject(STRINGS, {
      getStringDescriptor(index, callback) {
        if (index === 1) throw new Error('stalled');
        callback(index === 2 ? new Error('LIBUSB_TRANSFER_STALL') : undefined, 'text');
      },
    });
    injection.take('attach', device);
    expect(told(given)).toEqual([undefined, undefined, 'text']);
  });

  it('are no longer asked for once one was malformed', async () => {
    const { injection } = open();
    const asked = [];
    const { device } = speakingObject(STRINGS, { getStringDescriptor: (index, callback) => callback(undefined, asked.push(index)) });
    await expect(injection.take('attach', device)).rejects.toMatchObject({ code: 'ERR_USB_DEVICE' });
    expect(asked).toEqual([1]);
  });

  it('of a device that libusb will not close while it waits for it are given up, and it is closed after the last answer', async () => {
    const { injection, given } = open();
    let busy = true;
    const closed = [];
    const { device, sayAll } = speakingObject(STRINGS, {
      close() {
        if (busy) throw new Error("Can't close device with a pending request");
        closed.push('closed');
      },
    });
    injection.take('attach', device);
    await vi.advanceTimersByTimeAsync(1000);
    expect(told(given)).toEqual([undefined, undefined, undefined]);
    busy = false;
    sayAll();
    expect(closed).toEqual(['closed']);
  });

  it('of open and close that give promises are no uncaught rejections', () => {
    const { injection, given } = open();
    const { device, sayAll } = speakingObject(STRINGS, { open: async () => { throw new Error('later'); }, close: async () => { throw new Error('later'); } });
    injection.take('attach', device);
    sayAll();
    expect(told(given)).toEqual(['Canon', 'LiDE', 'S-1']);
  });

  it('are not asked of a device that has left', () => {
    const { injection, given } = open();
    const { device, done } = speakingObject(STRINGS);
    injection.take('detach', device);
    expect(given).toHaveLength(1);
    expect(done).toEqual([]);
  });
});

describe('a daemon that stops', () => {
  const refused = { code: 'ERR_USB_NOT_RUNNING' };

  it('refuses what is still being read, and what the addon has not told of', async () => {
    const { injection, given, state } = open();
    const handedOver = injection.take('attach', usbObject());
    const slow = speakingObject(STRINGS);
    const reading = injection.take('attach', slow.device);
    expect([await state(handedOver), await state(reading)]).toEqual(['waits', 'waits']);
    injection.end();
    await expect(reading).rejects.toMatchObject(refused);
    await expect(handedOver).rejects.toMatchObject(refused);
    slow.sayAll();
    await vi.advanceTimersByTimeAsync(1000);
    expect(given).toHaveLength(1);
  });

  it('and one that does not run take no device', async () => {
    vi.useRealTimers();
    const daemon = openDaemon();
    await expect(daemon.handleDeviceAttach(usbObject())).rejects.toMatchObject(refused);
    await expect(daemon.handleDeviceAttach({})).rejects.toMatchObject(refused);
    await daemon.start();
    await expect(daemon.handleDeviceAttach({})).rejects.toMatchObject({ code: 'ERR_USB_DEVICE' });
    await daemon.stop();
    await expect(daemon.handleDeviceDetach(usbObject())).rejects.toMatchObject(refused);
    await expect(daemon.handleDeviceDetach({})).rejects.toMatchObject(refused);
  });
});
