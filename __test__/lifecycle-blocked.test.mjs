// An event loop that stands still for ten seconds (Atomics.wait: no JavaScript runs at all) while 20,000 events come.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { script } from './lifecycle/program.mjs';
import { upTo } from './redis-server.mjs';

const EVENTS = 20_000;

/** What was simulated, in order. */
const expected = Array.from({ length: EVENTS }, (_, at) => ({
  type: at % 2 === 0 ? 'attach' : 'detach',
  port: `1.${1 + ((Math.floor(at / 2) * 7) % 100)}`,
}));

const folder = mkdtempSync(join(tmpdir(), 'usb-daemon-blocked-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each([
  ['in memory, with outbox.max_events just enough for what comes meanwhile,', { max_events: EVENTS }],
  ['on disk, with outbox.max_events for a twentieth of it,', { max_events: EVENTS / 20, path: join(folder, 'outbox.db') }],
])('an event loop that is blocked for 10 s, with the outbox %s', (_, outbox) => {
  let result;
  beforeAll(async () => {
    const { lines, ...ended } = await script('blocked.cjs', [JSON.stringify(outbox)]);
    expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
    [result] = lines;
  });

  it('loses no event, and gets them in order, each with what was simulated', () => {
    expect(result.listened.map(({ type, port }) => ({ type, port }))).toEqual(expected);
    expect(result.listened.map(({ seq }) => seq)).toEqual(upTo(EVENTS));
    expect(result.gaps).toEqual([]);
  });

  it('gets each detach with the signature of its own attach', () => {
    expect(result.listened).toHaveLength(EVENTS);
    for (let at = 0; at < EVENTS; at += 2) expect(result.listened[at + 1].signature).toBe(result.listened[at].signature);
  });

  it('gives an iterator the same events in the same order', () => {
    expect(result.iterated).toEqual(result.listened);
  });

  it('held up nothing but itself: each event was observed while it stood still, and none was told before', () => {
    expect(result.early).toBe(0);
    expect(result.listened).toHaveLength(EVENTS);
    // Of the daemon's clock and of this process's: the same one.
    expect(result.listened.filter(({ timestamp }) => timestamp > result.unblocked)).toEqual([]);
  });
});

it('gives a daemon that is stopped while its listeners are behind the time to read what is on disk', async () => {
  const stopped = mkdtempSync(join(folder, 'stopped-'));
  const { lines, ...ended } = await script('stop-behind.cjs', [stopped]);
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  const [{ seqs, gaps, atStopped }] = lines;
  expect([gaps, atStopped]).toEqual([[], EVENTS]);
  expect(seqs).toEqual(upTo(EVENTS));
});

it('ends a stop that gives no time to listeners that are behind, each time', async () => {
  const { lines, ...ended } = await script('stop-at-once.cjs', [mkdtempSync(join(folder, 'at-once-'))]);
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  expect(lines).toEqual([{ rounds: 30, last: 30 }]);
});
