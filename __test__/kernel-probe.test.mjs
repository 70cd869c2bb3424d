// A driver that takes its time over one device: the kernel keeps that device locked meanwhile, and nobody else's events wait for it.

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { openQemuBed } from './beds/qemu/index.mjs';
import { saidBy } from './guest-shell.mjs';
import { addressOf } from './kernel-witnesses.mjs';
import { observe } from './observe.mjs';
import { SLOW } from './slow-driver.mjs';

describe('a device that its driver is slow to take', () => {
  let bed;
  let observer;
  let reader;
  let slow;
  let quick;
  let uevents;
  const attachOf = ({ busnum, devnum }, by = observer) =>
    by.waitFor(({ event, value }) => event === 'device:attach' && addressOf(value) === `${busnum}:${devnum}`, 'attach');
  const uevent = (action, { devpath }) => uevents.find((entry) => entry.action === action && entry.devpath === devpath);

  beforeAll(async () => {
    bed = await openQemuBed();
    await bed.loadModule('usb_8dev');
    const config = { redis: false, monitoring: { enabled: false } };
    observer = await observe(bed, { config, user: 'nobody' });
    // Root may read the kernel's log.
    reader = await observe(bed, { config });
    // Brings vhci's controllers in before the daemon starts.
    const first = await bed.plugSynthetic({});
    await bed.settle(first, 'bind');
    await Promise.all([observer.ask('start'), reader.ask('start')]);
    slow = await bed.plugSynthetic(SLOW);
    await vi.waitUntil(() => bed.ledger().some(({ action, product }) => action === 'add' && product.startsWith('483/1234/')), { timeout: 10_000, interval: 5 });
    quick = await bed.plug({ kind: 'keyboard', controller: 0, port: '1', serial: 'QUICK' });
    await Promise.all([bed.settle(slow, 'bind'), bed.settle(quick, 'bind')]);
    uevents = bed.uevents();
    // What the test rests on: the quick one came while the slow one was being probed.
    const order = [uevent('add', slow), uevent('add', quick), uevent('bind', quick), uevent('bind', slow)].map(({ seqnum }) => seqnum);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });
  afterAll(() => bed?.close());

  it('does not hold up the attach of another device', async () => {
    const { monotonic_ns } = await attachOf(quick);
    expect(Number(monotonic_ns)).toBeLessThan(Number(uevent('bind', slow).monotonic_ns));
  });

  it('is announced while it is still being probed', async () => {
    const { monotonic_ns } = await attachOf(slow);
    expect(Number(monotonic_ns)).toBeLessThan(Number(uevent('bind', slow).monotonic_ns));
  });

  /** It is told whole while its driver has it locked. Who may not read the log is now and then faster than the driver, and has the strings, too. */
  async function expectWhole(handle, [manufacturer, product, serialNumber]) {
    await bed.settle(handle, 'bind');
    const { value, monotonic_ns } = await attachOf(handle, reader);
    expect(value).toMatchObject({ partial: false, manufacturer, product, serialNumber });
    const bound = bed.uevents().find(({ action, busnum, devnum }) => action === 'bind' && `${busnum}:${devnum}` === `${handle.busnum}:${handle.devnum}`);
    expect(Number(monotonic_ns)).toBeLessThan(Number(bound.monotonic_ns));
    await bed.unplug(handle);
    await bed.settle(handle, 'gone');
  }

  describe('is told with its strings meanwhile to whoever may read the kernel\'s log', () => {
    it('as they are', async () => {
      await expectWhole(slow, SLOW.strings);
      for (const strings of [['two\nlines ', ' back\\slash \\x41', 'Product: \u00e9\u{1f600}\u001b[31m'], ['M', 'P', 'S']]) {
        await expectWhole(await bed.plugSynthetic({ ...SLOW, strings }), strings);
      }
    });

    it('once more after a flood of other lines, in which they could not be found at once', async () => {
      await saidBy(bed, 'echo on >/proc/sys/kernel/printk_devkmsg; for line in $(seq 3000); do echo "usb 1-1: Product: $line"; done >/dev/kmsg');
      const first = await bed.plugSynthetic(SLOW);
      await bed.settle(first, 'bind');
      await attachOf(first, reader);
      await bed.unplug(first);
      await bed.settle(first, 'gone');
      for (let time = 0; time < 2; time += 1) await expectWhole(await bed.plugSynthetic(SLOW), SLOW.strings);
    });
  });
});
