// handleDeviceAttach and handleDeviceDetach of a whole daemon.

import { describe, expect, it } from 'vitest';
import { openDaemon } from './daemon.mjs';
import { speakingObject, usbObject } from './usb-objects.mjs';

async function started(config) {
  const daemon = openDaemon({ sources: [], ...config });
  await daemon.start();
  return daemon;
}

const STRINGS = { 1: 'Canon', 2: 'LiDE', 3: 'S-1' };

describe('a device that a program tells of', () => {
  it('is announced and connected when the promise resolves, and so its end', async () => {
    const daemon = await started();
    await daemon.handleDeviceAttach(usbObject({ product: 'LiDE', interfaces: [{ class: 6, subclass: 1, protocol: 1 }] }));
    const [info] = daemon.heard.of('device:attach');
    expect(info).toMatchObject({
      vendorId: 0x04a9, productId: 0x220e, product: 'LiDE', backend: 'injected', partial: false,
      location: { busNumber: 1, deviceAddress: 7, portPath: '4.2' }, interfaces: [{ class: 6, subclass: 1, protocol: 1 }],
    });
    expect(info.deviceDescriptor).toEqual(usbObject().deviceDescriptor);
    expect([...daemon.connectedDevices.values()]).toEqual([info]);
    await daemon.handleDeviceDetach(usbObject());
    expect(daemon.connectedDevices.size).toBe(0);
    const { timestamp, eventId, ...known } = daemon.heard.of('device:detach')[0];
    const { timestamp: t, eventId: e, ...before } = info;
    expect(known).toEqual(before);
    expect(eventId).not.toBe(e);
  });

  it('has the names of its IDs where it gives none of its own', async () => {
    const daemon = await started();
    const attach = async (overrides, descriptor) => {
      await daemon.handleDeviceAttach(usbObject(overrides, descriptor));
      const { vendorName, productName, manufacturer, product } = daemon.heard.of('device:attach').at(-1);
      return [manufacturer, product, vendorName, productName];
    };
    expect(await attach({ deviceAddress: 1 })).toEqual([undefined, undefined, 'Canon, Inc.', 'CanoScan N1240U/LiDE 30']);
    expect(await attach({ deviceAddress: 2, manufacturer: 'C', product: 'L' })).toEqual(['C', 'L', undefined, undefined]);
    expect(await attach({ deviceAddress: 3 }, { idVendor: 0xfff1 })).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('has its strings though they are slow, and its detach comes after its attach', async () => {
    const daemon = await started();
    const { device, sayAll } = speakingObject(STRINGS);
    const calls = [daemon.handleDeviceAttach(device), daemon.handleDeviceDetach(device)];
    sayAll();
    await Promise.all(calls);
    expect(daemon.heard.all.map(({ event }) => event).filter((event) => event.startsWith('device:'))).toEqual(['device:attach', 'device:detach']);
    expect(daemon.heard.of('device:attach')[0]).toMatchObject({ manufacturer: 'Canon', product: 'LiDE', serialNumber: 'S-1' });
  });

  it('that is connected, or is not known, is no event', async () => {
    const daemon = await started();
    await daemon.handleDeviceDetach(usbObject());
    await daemon.handleDeviceAttach(usbObject());
    await daemon.handleDeviceAttach(usbObject());
    expect(daemon.heard.all.filter(({ event }) => event.startsWith('device:'))).toHaveLength(1);
  });

  it('is told from others by bus and address alone: fifty at the same port are fifty', async () => {
    const daemon = await started();
    await Promise.all(Array.from({ length: 50 }, (_, at) => daemon.handleDeviceAttach(usbObject({ deviceAddress: at + 1 }))));
    expect(daemon.connectedDevices.size).toBe(50);
    expect(daemon.heard.of('device:attach').map(({ location }) => location.deviceAddress)).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
  });

  it('and is malformed changes nothing', async () => {
    const daemon = await started();
    const bad = daemon.handleDeviceAttach(usbObject({}, { idVendor: 1.5 }));
    await expect(bad).rejects.toMatchObject({ code: 'ERR_USB_DEVICE' });
    await daemon.handleDeviceAttach(usbObject());
    expect(daemon.heard.of('device:attach').map(({ eventId }) => eventId.split(':')[1])).toEqual(['1']);
  });

  it('meets waits, dispatches and iterators like any other', async () => {
    const daemon = await started();
    const told = [];
    daemon.dispatch({ vendor_ids: ['0x04A9'] }, { onAttach: ({ product }) => told.push(product) });
    const events = daemon.events();
    const wait = daemon.waitFor({ vendorId: 0x04a9 });
    await daemon.handleDeviceAttach(usbObject({ product: 'LiDE' }));
    expect((await wait).product).toBe('LiDE');
    expect((await events.next()).value.device.product).toBe('LiDE');
    expect(told).toEqual(['LiDE']);
  });
});

describe('calls under way when the daemon stops', () => {
  it('are refused, and do not reach its next start', async () => {
    const daemon = await started();
    const { device, sayAll } = speakingObject(STRINGS);
    const call = daemon.handleDeviceAttach(device);
    const stopped = daemon.stop();
    const again = daemon.start();
    await expect(call).rejects.toMatchObject({ code: 'ERR_USB_NOT_RUNNING' });
    await stopped;
    await again;
    sayAll();
    await daemon.handleDeviceAttach(usbObject({ deviceAddress: 9 }));
    expect(daemon.getConnectedDevices().map(({ location }) => location.deviceAddress)).toEqual([9]);
  });

  it('all settle: none is left waiting', async () => {
    const daemon = await started();
    const calls = Array.from({ length: 100 }, (_, at) => daemon.handleDeviceAttach(usbObject({ deviceAddress: at + 1 })));
    const outcomes = Promise.allSettled(calls);
    await daemon.stop();
    for (const { status, reason } of await outcomes) {
      if (status === 'rejected') expect(reason.code).toBe('ERR_USB_NOT_RUNNING');
    }
    expect(daemon.connectedDevices.size).toBe(0);
  });
});
