// "Done when" 3: what is sent flat out, with sysfs gone, with JavaScript busy, or to a process that stands still.

import { afterEach, describe, expect, it } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { checkHistory, isTransition, observe } from './observe.mjs';

const QUIET = { redis: false, monitoring: { enabled: false } };

let bed;
afterEach(async () => {
  await bed?.close();
  bed = undefined;
});

async function started(options = {}, bedOptions) {
  bed = await openNamespaceBed(bedOptions);
  const observer = await observe(bed, { ...options, config: { ...QUIET, ...options.config } });
  await observer.ask('start');
  return observer;
}

/** Bus and address of each transition since the observer began, without those present at start. */
function told(observer) {
  return observer.said
    .filter((line) => isTransition(line) && line.value.synthetic !== 'startup')
    .map(({ event, value }) => `${event.slice(7)} ${value.location.busNumber}:${value.location.deviceAddress}`);
}

async function sent() {
  return (await bed.ledger()).map(({ action, busnum, devnum }) => `${action === 'add' ? 'attach' : 'detach'} ${busnum}:${devnum}`);
}

describe('bursts in the namespace', () => {
  for (const [title, burst] of [
    ['1,000 pairs flat out with sysfs gone before each detach', { pairs: 1_000, entry: 'removed' }],
    ['10,000 pairs flat out with sysfs gone before each detach', { pairs: 10_000, entry: 'removed' }],
    ['10,000 pairs flat out with entries kept', { pairs: 10_000, entry: 'kept' }],
  ]) {
    it(`loses none of ${title}`, async () => {
      const observer = await started();
      await bed.burst(burst);
      await observer.transitions(burst.pairs * 2, { since: observer.said.findIndex(({ event }) => event === 'started') });
      expect(told(observer)).toEqual(await sent());
      expect(observer.of('gap')).toEqual([]);
      checkHistory(observer.said);
    });
  }

  it('loses none of 10,000 pairs while JavaScript is busy', async () => {
    const observer = await started();
    const since = observer.said.length;
    observer.tell('busy', { ms: 4_000 });
    await bed.burst({ pairs: 10_000, entry: 'kept' });
    await observer.transitions(20_000, { since, timeoutMs: 60_000 });
    expect(told(observer)).toEqual(await sent());
    expect(observer.of('gap')).toEqual([]);
  });

  it('gives timers their turn while a burst is delivered', async () => {
    const observer = await started();
    const since = observer.said.length;
    observer.tell('busy', { ms: 1_000 });
    await bed.burst({ pairs: 5_000, entry: 'kept' });
    await observer.waitFor(({ answer }) => answer === 'busy', 'the loop to be free', { since });
    // The answer comes from stdin, through the event loop: it must overtake events that wait.
    await observer.ask('list');
    const answered = observer.said.findIndex(({ answer }, at) => at >= since && answer === 'list');
    const before = observer.said.slice(since, answered).filter(isTransition).length;
    expect(before).toBeLessThan(10_000);
    await observer.transitions(10_000, { since });
    expect(told(observer)).toEqual(await sent());
  });

  it('loses none of 2,000 events that come while the process stands still', async () => {
    const observer = await started();
    const since = observer.said.length;
    await observer.pause();
    await bed.burst({ pairs: 1_000, entry: 'kept' });
    observer.kill('SIGCONT');
    await observer.transitions(2_000, { since });
    expect(told(observer)).toEqual(await sent());
    expect(observer.of('gap')).toEqual([]);
  });

  it('delivers up to outbox.max_events, then says how many a blocked loop has lost and ends with the right set', async () => {
    const observer = await started({ config: { outbox: { max_events: 1_000 } } });
    const since = observer.said.length;
    const present = await observer.ask('list');
    observer.tell('busy', { ms: 2_000 });
    await bed.burst({ pairs: 2_000, entry: 'kept' });
    const left = await bed.plug({ kind: 'keyboard', controller: 2, port: '5' });
    const gap = await observer.waitFor(({ event }) => event === 'gap', 'a gap', { since });
    await observer.waitFor(({ event, value }) => event === 'device:attach' && value.location.portPath === '5', 'the last device', { since });
    expect(gap.value).toMatchObject({ source: 'delivery', cause: 'queue-full' });
    const came = observer.said.slice(since).filter(isTransition).length;
    expect(came + gap.value.lost).toBe((await bed.ledger()).length);
    expect(came).toBeGreaterThanOrEqual(1_000);
    const addresses = (list) => list.map(({ location }) => `${location.busNumber}:${location.deviceAddress}`).toSorted();
    const expected = [...addresses(present), `${left.busnum}:${left.devnum}`].toSorted();
    expect(addresses(await observer.ask('list'))).toEqual(expected);
  });
});

describe('a receive buffer that overflows', () => {
  it('is not filled by what is not about USB: the kernel keeps that back', async () => {
    const observer = await started({ config: { sources: { netlink: { receive_buffer: 16_384 } }, monitoring: { enabled: false, interval: 60_000 } } });
    const since = observer.said.length;
    await observer.pause();
    await bed.control('other', { count: 2_000 });
    const handle = await bed.plug({ kind: 'keyboard', controller: 0, port: '7' });
    observer.kill('SIGCONT');
    const [attach] = await observer.transitions(1, { since });
    expect(attach.value).toMatchObject({ backend: 'netlink', location: { deviceAddress: handle.devnum } });
    expect(observer.of('gap')).toEqual([]);
  });

  for (const unprivileged of [false, true]) {
    it(`is reported as a gap, and the set is right within one interval${unprivileged ? ', without privilege' : ''}`, async () => {
      const config = { sources: { netlink: { receive_buffer: 16_384 } }, monitoring: { enabled: false, interval: 1_000 } };
      const observer = await started({ config }, { unprivileged });
      const since = observer.said.length;
      const before = await bed.plug({ kind: 'storage', controller: 0, port: '7' });
      await observer.transitions(1, { since });
      await observer.pause();
      await bed.unplug(before);
      await bed.burst({ pairs: 1_000, entry: 'removed', name: '1-2' });
      const left = [];
      for (const port of ['8', '9']) left.push(await bed.plug({ kind: 'keyboard', controller: 1, port }));
      observer.kill('SIGCONT');
      const gap = await observer.waitFor(({ event }) => event === 'gap', 'a gap', { since });
      expect(gap.value).toMatchObject({ source: 'netlink', cause: 'overflow' });
      for (const { name } of left) {
        const port = name.split('-')[1];
        const { value } = await observer.waitFor(
          ({ event, value }) => event === 'device:attach' && value.location.portPath === port,
          `the device at ${name}`,
          { since },
        );
        expect(value.synthetic).toBe('gap');
      }
      const list = (await observer.ask('list')).filter(({ synthetic }) => synthetic !== 'startup');
      expect(list.map(({ location }) => location.deviceAddress).toSorted()).toEqual(left.map(({ devnum }) => devnum).toSorted());
      checkHistory(observer.said);
      // And it hears again.
      const now = observer.said.length;
      await bed.unplug(left[0]);
      const [detach] = await observer.transitions(1, { since: now });
      expect(detach.value.backend).toBe('netlink');
    });
  }
});
