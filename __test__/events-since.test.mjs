// events({ since }) against a real store on a disk: what has been, over a restart, and what comes, each once and none left out.

import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { stateFolder } from './command.mjs';
import { cycle, openDaemon } from './daemon.mjs';
import { upTo } from './redis-server.mjs';

const from = (first, last) => upTo(last).slice(first - 1);
const stored = (path, outbox) => openDaemon({ outbox: { path, ...outbox } });

async function started(...args) {
  const daemon = stored(...args);
  await daemon.start();
  return daemon;
}

/** So many transitions, which are stored and told when this resolves. */
async function store(daemon, transitions) {
  const before = daemon.getHealth().outbox.lastSeq;
  const told = daemon.heard.of('device:detach').length;
  cycle(daemon, transitions);
  await daemon.heard.waitFor('device:detach', { count: told + transitions / 2 });
  while (daemon.getHealth().outbox.lastSeq < before + transitions) await turn();
}

/** Takes so many, and gives their numbers. */
async function take(events, count) {
  const seqs = [];
  for (const _ of upTo(count)) seqs.push((await events.next()).value?.seq);
  return seqs;
}

const history = (message) => ({ code: 'ERR_USB_HISTORY', message: expect.stringMatching(message) });

describe('events since', () => {
  it('0 are those of earlier runs and those that keep coming, as they were told', async () => {
    const path = join(stateFolder(), 'outbox.db');
    const earlier = await started(path);
    await store(earlier, 1000);
    await earlier.stop();
    const daemon = await started(path);
    const events = daemon.events({ since: 0 });
    let isOver = false;
    const coming = (async () => {
      for (let round = 0; !isOver; round += 1) {
        cycle(daemon, 20);
        await turn();
      }
    })();
    const seen = [];
    for await (const event of events) {
      seen.push(event);
      // Well past what was there at the beginning, with some that has come from either side.
      isOver = seen.length === 4000;
      if (isOver) break;
      if (seen.length % 100 === 0) await turn();
    }
    await coming;
    expect(seen.map(({ seq }) => seq)).toEqual(upTo(4000));
    const told = [earlier, daemon].flatMap(({ heard }) => heard.all.filter(({ event }) => event.startsWith('device:')));
    const shown = ({ type, device }) => [`device:${type}`, device];
    expect(seen.map(shown)).toEqual(told.slice(0, 4000).map(({ event, value }) => [event, value]));
    expect((await events.next()).done).toBe(true);
  });

  it('an event in the midst, by its name or its number, are those after it', async () => {
    const path = join(stateFolder(), 'outbox.db');
    const daemon = await started(path);
    await store(daemon, 1000);
    const { eventId } = daemon.heard.all.filter(({ event }) => event.startsWith('device:'))[599].value;
    // The same daemon, started again: its numbers go on.
    await daemon.stop();
    await daemon.start();
    for (const since of [eventId, 600]) {
      const events = daemon.events({ since });
      expect(await take(events, 400)).toEqual(from(601, 1000));
      await events[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]();
      expect((await events.next()).done).toBe(true);
    }
    const last = daemon.events({ since: 1000 });
    const next = take(last, 2);
    cycle(daemon, 2);
    expect(await next).toEqual([1001, 1002]);
  });

  it('an event of another store, or of none, are none', async () => {
    const daemon = await started(join(stateFolder(), 'outbox.db'));
    const other = await started(join(stateFolder(), 'outbox.db'));
    await store(other, 10);
    const { eventId } = other.heard.of('device:attach')[0];
    await expect(daemon.events({ since: eventId }).next()).rejects.toMatchObject(history(/^events of .* are not kept here: this is /));
    await expect(daemon.events({ since: 1 }).next()).rejects.toMatchObject(history(/^event 1 has not been here: the last one is 0$/));
    await expect(other.events({ since: 11 }).next()).rejects.toMatchObject(history(/^event 11 has not been here: the last one is 10$/));
    expect(await take(other.events({ since: eventId }), 9)).toEqual(from(2, 10));
  });

  it('one that is no longer kept say where to go on', async () => {
    const path = join(stateFolder(), 'outbox.db');
    const daemon = await started(path, { retain: 300 });
    await store(daemon, 2000);
    await daemon.stop();
    await daemon.start();
    const kept = daemon.events({ since: 0 });
    const first = (await kept.next()).value.seq;
    expect(first).toBeGreaterThan(1);
    expect(await take(kept, 2000 - first)).toEqual(from(first + 1, 2000));
    const place = `events 2 to ${first - 1} are no longer kept: go on with since: ${first - 1}`;
    await expect(daemon.events({ since: 1 }).next()).rejects.toMatchObject(history(`^${place}$`));
    expect(await take(daemon.events({ since: first - 1 }), 2001 - first)).toEqual(from(first, 2000));
  });

  it('0 are all of them for who takes them late, though few may wait', async () => {
    const daemon = await started(join(stateFolder(), 'outbox.db'), { max_events: 500 });
    const events = daemon.events({ since: 0 });
    for (const after of [0, 2000]) {
      for (const _ of upTo(20)) await store(daemon, 100);
      expect(await take(events, 2000)).toEqual(from(after + 1, after + 2000));
    }
    expect(daemon.heard.of('gap')).toEqual([]);
  });

  it('0 end with a stop in their midst, and go on after the next start where that says', async () => {
    const path = join(stateFolder(), 'outbox.db');
    const daemon = await started(path);
    await store(daemon, 1000);
    const events = daemon.events({ since: 0 });
    const seqs = await take(events, 10);
    await daemon.stop();
    const end = await (async () => {
      for await (const { seq } of events) seqs.push(seq);
    })().catch((error) => error);
    expect(end).toMatchObject(history(`^the daemon has stopped before event ${seqs.length + 1} was read: when it is started again, go on with since: '[^']+:${seqs.length}'$`));
    await daemon.start();
    const [, since] = /since: '([^']+)'/.exec(end.message);
    seqs.push(...(await take(daemon.events({ since }), 1000 - seqs.length)));
    expect(seqs).toEqual(upTo(1000));
  });

  it('what has been given end with a stop as they do without since', async () => {
    const daemon = await started(join(stateFolder(), 'outbox.db'));
    await store(daemon, 10);
    const events = daemon.events({ since: 0 });
    expect(await take(events, 10)).toEqual(upTo(10));
    cycle(daemon, 2);
    await daemon.stop();
    expect(await take(events, 3)).toEqual([11, 12, undefined]);
  });
});
