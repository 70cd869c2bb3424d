// performance.debounce_ms: how long sources may differ before that counts. A contact that bounces is no difference: each new
// address is a new attachment, however short the time.

import { afterEach, describe, expect, it } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { checkHistory, isTransition, observe } from './observe.mjs';

const INTERVAL_MS = 50;
const MOUSE = { kind: 'mouse', controller: 0, port: '3' };

let bed;
afterEach(async () => {
  await bed?.close();
  bed = undefined;
});

async function started(debounce_ms) {
  const config = { redis: false, monitoring: { enabled: false, interval: INTERVAL_MS }, performance: { debounce_ms } };
  const observer = await observe(bed, { config });
  await observer.ask('start');
  return observer;
}

const addressed = (action, busnum, devnum) => `${action} ${busnum}:${devnum}`;
const ACTIONS = { 'device:attach': 'add', 'device:detach': 'remove' };
const told = (lines) => lines.filter(isTransition).map(({ event, value: { location } }) => addressed(ACTIONS[event], location.busNumber, location.deviceAddress));

describe('a contact that bounces 20 times within debounce_ms', () => {
  for (const [how, bounce] of [
    ['one after another', () => bed.cycle({ ...MOUSE, cycles: 20 })],
    ['flat out', () => bed.burst({ ...MOUSE, pairs: 20 })],
  ]) {
    it(`is 20 attachments and 20 detachments, in pairs and in order: ${how}`, async () => {
      bed = await openNamespaceBed();
      const observer = await started(1_000);
      const since = observer.said.length;
      await bounce();
      await observer.transitions(40, { since });
      // This one is found only when debounce_ms is over: by then nothing of the bounce comes late any more.
      await bed.control('silent_plug', { name: '1-9', vendor_id: 0x1234, product_id: 0x5678 });
      await observer.waitFor(({ event, value }) => event === 'device:attach' && value.vendorId === 0x1234, 'the other device', { since });
      const sent = (await bed.ledger()).map(({ action, busnum, devnum }) => addressed(action, busnum, devnum));
      expect(sent).toHaveLength(40);
      expect(new Set(sent).size).toBe(40);
      const [other, ...before] = told(observer.said.slice(since)).reverse();
      expect(before.reverse()).toEqual(sent);
      expect(other).toMatch(/^add 1:/);
      checkHistory(observer.said);
    });
  }
});

it('what sysfs shows and no uevent told is believed later where debounce_ms is longer', async () => {
  bed = await openNamespaceBed();
  const observers = [await started(0), await started(2_000)];
  const sinces = observers.map(({ said }) => said.length);
  const plugged = process.hrtime.bigint();
  await bed.control('silent_plug', { name: '1-3', vendor_id: 0x1234, product_id: 0x5678 });
  // One device, seen by both at the same time: what else the machine does delays both.
  const found = await Promise.all(observers.map((observer, at) => observer.transitions(1, { since: sinces[at] })));
  const [none, long] = found.map(([{ value, monotonic_ns }]) => {
    expect(value).toMatchObject({ vendorId: 0x1234, synthetic: 'gap', backend: 'snapshot' });
    return Number(BigInt(monotonic_ns) - plugged);
  });
  expect(long / none).toBeGreaterThan(2);
});
