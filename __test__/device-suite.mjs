// What holds on every bed: simulated devices, real uevents in a namespace, a real kernel.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkHistory, observe } from './observe.mjs';

const QUIET = { redis: false, monitoring: { enabled: false } };

/** `sources` is what the bed's daemon listens to; `attachedAtStart` how many devices the bed has before any test. */
export function deviceSuite(name, openBed, { sources, user, partialIsFine = false } = {}) {
  describe(`devices: ${name}`, () => {
    let bed;
    let observer;
    let present;
    const config = { ...QUIET, ...(sources ? { sources } : {}) };

    beforeAll(async () => {
      bed = await openBed();
      observer = await observe(bed, { config, user });
      await observer.ask('start');
      present = await observer.ask('list');
    });
    afterAll(() => bed?.close());

    /** Plugs and pulls one device; gives its two events. */
    async function roundTrip(spec) {
      const since = observer.said.length;
      const handle = await bed.plug(spec);
      const [attach] = await observer.transitions(1, { since });
      await bed.settle?.(handle, 'bind');
      await bed.unplug(handle);
      const events = await observer.transitions(2, { since });
      return { attach: attach.value, detach: events[1].value, events };
    }

    it('announces what is present before started, as synthetic startup', () => {
      const started = observer.said.findIndex(({ event }) => event === 'started');
      const before = observer.said.slice(0, started).filter(({ event }) => event === 'device:attach');
      expect(before.map(({ value }) => value.signature)).toEqual(present.map(({ signature }) => signature));
      for (const { value } of before) expect(value.synthetic).toBe('startup');
    });

    for (const [kind, vendorId, productId, capability] of [
      ['keyboard', 0x0627, 0x0001, 'hid:keyboard'],
      ['storage', 0x46f4, 0x0001, 'storage:bulk-only'],
      ['serial', 0x0403, 0x6001, 'vendor:other'],
    ]) {
      it(`tells of a ${kind} once when it comes and once when it goes`, async () => {
        const { attach, detach, events } = await roundTrip({ kind, controller: 0, port: '2', serial: `S-${kind}` });
        expect(events.map(({ event }) => event)).toEqual(['device:attach', 'device:detach']);
        expect(attach).toMatchObject({ vendorId, productId, location: { portPath: '2' } });
        if (!partialIsFine) {
          expect(attach.partial).toBe(false);
          expect(attach.capabilities).toEqual([capability]);
          // The simulated source has no descriptors; QEMU's keyboard can wake a host, the namespace's cannot.
          const power = bed.kind === 'simulated' ? undefined : { selfPowered: false, remoteWakeup: bed.kind === 'qemu', maxMilliamps: 100 };
          if (kind === 'keyboard') expect(attach.power).toEqual(power);
        }
        expect(detach.signature).toBe(attach.signature);
        expect(detach.deviceDescriptor).toEqual(attach.deviceDescriptor);
        expect(detach.attachedAt).toBe(attach.timestamp);
      });
    }

    it('tells of devices behind a hub, and of their going when the hub is pulled', async () => {
      const since = observer.said.length;
      const hub = await bed.plug({ kind: 'hub', controller: 1, port: '1' });
      await bed.settle?.(hub, 'bind');
      const kinds = ['keyboard', 'serial', 'storage'];
      for (const [at, kind] of kinds.entries()) {
        const handle = await bed.plug({ kind, controller: 1, port: `1.${at + 1}`, serial: `H${at}` });
        await bed.settle?.(handle, 'bind');
        if (bed.kind !== 'qemu') hub.children = [...(hub.children ?? []), handle];
      }
      const attached = await observer.transitions(4, { since });
      expect(attached.map(({ value }) => value.location.portPath)).toEqual(['1', '1.1', '1.2', '1.3']);
      // A kernel takes what hangs on a hub away before the hub; the other beds are told to.
      for (const child of hub.children ?? []) await bed.unplug(child);
      await bed.unplug(hub);
      const all = await observer.transitions(8, { since });
      const left = all.slice(4).map(({ value }) => value.location.portPath);
      expect(left.at(-1)).toBe('1');
      expect(left.slice(0, 3).toSorted()).toEqual(['1.1', '1.2', '1.3']);
    });

    it('gives a device that comes back another event ID and the same stable ID', async () => {
      const first = await roundTrip({ kind: 'serial', controller: 2, port: '3', serial: 'SAME' });
      const second = await roundTrip({ kind: 'serial', controller: 3, port: '4', serial: 'SAME' });
      expect(second.attach.stableId).toBe('0403:6001:SAME');
      expect(first.attach.stableId).toBe(second.attach.stableId);
      expect(first.attach.eventId).not.toBe(second.attach.eventId);
    });

    it('has the devices present at start, and no other, in its list when all is pulled', async () => {
      const signatures = (list) => list.map(({ signature }) => signature).toSorted();
      expect(signatures(await observer.ask('list'))).toEqual(signatures(present));
      expect(checkHistory(observer.said)).toHaveLength(present.length);
    });

    it('stops and starts again with the same devices present, then lets its process end', async () => {
      await observer.ask('stop');
      expect(await observer.ask('list')).toEqual([]);
      const since = observer.said.length;
      await observer.ask('start');
      expect(observer.said.slice(since).filter(({ event }) => event === 'device:attach')).toHaveLength(present.length);
      await observer.ask('stop');
      observer.endInput();
      expect(await observer.exit).toMatchObject({ code: 0 });
      expect(observer.stderrText()).toBe('');
    });
  });
}
