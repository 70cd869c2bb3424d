// daemon.events(): transitions as an async iterator; what comes, and what has been since an event.

import { EventEmitter, once } from 'node:events';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { openDaemon } from './daemon.mjs';

const require = createRequire(import.meta.url);
const { Audience } = require('../js/audience.js');
const { EventStream } = require('../js/event-stream.js');

const device = (seq, producer = 'p') => ({ eventId: `${producer}:${seq}` });
const stored = (seq) => ({ seq, type: 'attach', device: device(seq) });
const upTo = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => from + at);

/** A stream that a test tells of events by number; with `store`, the numbers that history has, it begins after `since`. */
function open({ since, store = [], lastTold, most = 100_000, signal, read } = {}) {
  const audience = new Audience();
  const asked = [];
  const readHistory = read ?? (async (after, limit) => {
    asked.push(after);
    return store.filter((seq) => seq > after).slice(0, limit).map(stored);
  });
  const past = since === undefined ? null : Promise.resolve({ since, lastTold: lastTold ?? Math.max(0, ...store), producer: 'p', readHistory });
  const stream = new EventStream(audience, { most, signal, past });
  const tell = (...seqs) => seqs.forEach((seq) => audience.tell('attach', device(seq), { eventId: `p:${seq}`, seq, producer: 'p' }));
  const take = async (count) => {
    const seqs = [];
    while (seqs.length < count) {
      const { done, value } = await stream.next();
      if (done) return [...seqs, 'end'];
      seqs.push(value.seq);
    }
    return seqs;
  };
  return { audience, stream, tell, take, asked };
}

describe('events()', () => {
  it('gives what comes, in order, with its kind and number', async () => {
    const daemon = openDaemon();
    daemon.start();
    const events = daemon.events();
    await daemon.start();
    daemon.simulateAttach({ name: '201-1' });
    daemon.simulateDetach('201-1');
    daemon.simulateAttach({ name: '201-2' });
    const seen = [];
    for await (const event of events) {
      seen.push(event);
      if (seen.length === 3) break;
    }
    expect(seen.map(({ type, seq }) => [type, seq])).toEqual([['attach', 1], ['detach', 2], ['attach', 3]]);
    expect(seen.map((event) => event.device)).toEqual(daemon.heard.all.filter(({ event }) => event.startsWith('device:')).map(({ value }) => value));
    expect(seen[0].eventId).toBe(seen[0].device.eventId);
    // Who has broken off hears no more.
    daemon.simulateAttach({ name: '201-3' });
    await daemon.heard.waitFor('device:attach', { count: 3 });
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  it('ends when the daemon stops, after what came before', async () => {
    const daemon = openDaemon();
    await daemon.start();
    const events = daemon.events();
    daemon.simulateAttach({ name: '201-1' });
    await daemon.heard.waitFor('device:attach');
    const last = daemon.events();
    daemon.simulateDetach('201-1');
    await daemon.stop();
    expect((await events.next()).value.type).toBe('attach');
    expect((await events.next()).value.type).toBe('detach');
    expect((await events.next()).done).toBe(true);
    // Also what came while it was about to stop.
    expect((await last.next()).value.type).toBe('detach');
    expect((await last.next()).done).toBe(true);
  });

  it('belongs to one run: that of a next start is not of the one that stops', async () => {
    const daemon = openDaemon();
    await daemon.start();
    daemon.stop();
    daemon.start();
    const events = daemon.events();
    await daemon.start();
    daemon.simulateAttach({ name: '201-9' });
    expect((await events.next()).value.device.location.portPath).toBe('9');
  });

  it('is refused by a daemon that was not started, and with arguments that are none', async () => {
    const daemon = openDaemon();
    const bad = (message) => expect.objectContaining({ code: 'ERR_USB_ARGUMENT', message: expect.stringContaining(message) });
    expect(() => daemon.events()).toThrow(expect.objectContaining({ code: 'ERR_USB_NOT_RUNNING' }));
    await daemon.start();
    expect(() => daemon.events({ sicne: 1 })).toThrow(bad('did you mean "since"?'));
    for (const since of [-1, 1.5, '5', 'p:', 'p:-1', null, {}]) expect(() => daemon.events({ since })).toThrow(bad('options.since is'));
    expect(() => daemon.events({ signal: 1 })).toThrow(bad('options.signal is 1'));
  });

  it('knows that events of another producer are not its own', async () => {
    const daemon = openDaemon();
    await daemon.start();
    const refused = daemon.events({ since: 'other:5' }).next();
    await expect(refused).rejects.toMatchObject({ code: 'ERR_USB_HISTORY', message: expect.stringContaining('events of other are not kept here') });
  });
});

describe('a stream', () => {
  it('keeps for its first next() what came before it', async () => {
    const { tell, take } = open();
    tell(1, 2, 3);
    expect(await take(3)).toEqual([1, 2, 3]);
    const next = take(1);
    tell(4);
    expect(await next).toEqual([4]);
  });

  it('that nobody takes from is bounded, and says where to go on', async () => {
    const { tell, take, stream } = open({ most: 3 });
    tell(1, 2, 3);
    expect(await take(2)).toEqual([1, 2]);
    tell(4, 5, 6, 7);
    expect(await take(2)).toEqual([3, 4]);
    // There is room again, but after a hole nothing follows.
    tell(8);
    expect(await take(1)).toEqual([5]);
    await expect(stream.next()).rejects.toMatchObject({ code: 'ERR_USB_OVERRUN', message: "more than 3 events wait to be taken: go on with since: 'p:5'" });
    expect((await stream.next()).done).toBe(true);
  });

  it('ends with its signal at once, whatever waits', async () => {
    const controller = new AbortController();
    const { tell, stream } = open({ signal: controller.signal });
    const waits = open({ signal: controller.signal }).stream.next();
    tell(1, 2);
    controller.abort('enough');
    await expect(stream.next()).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' });
    await expect(waits).rejects.toMatchObject({ name: 'AbortError' });
    expect((await stream.next()).done).toBe(true);
    await expect(open({ signal: controller.signal }).stream.next()).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('is ended by return() though a next() waits, and by the end of its block', async () => {
    const first = open();
    const waits = first.stream.next();
    expect(await first.stream.return()).toEqual({ done: true, value: undefined });
    expect((await waits).done).toBe(true);
    const second = open();
    second.tell(1);
    await second.stream[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]();
    expect(await second.take(1)).toEqual(['end']);
  });

  it('gives several next() that wait their own event each', async () => {
    const { tell, stream } = open();
    const waits = [stream.next(), stream.next()];
    tell(1, 2);
    expect((await Promise.all(waits)).map(({ value }) => value.seq)).toEqual([1, 2]);
  });
});

describe('since', () => {
  it('gives what the store has after it, then what comes', async () => {
    const { tell, take, asked } = open({ since: 2, store: upTo(1, 600) });
    expect(await take(598)).toEqual(upTo(3, 600));
    expect(asked).toEqual([2, 258, 514]);
    tell(601);
    expect(await take(1)).toEqual([601]);
  });

  it('0 gives all that is kept', async () => {
    expect(await open({ since: 0, store: upTo(50, 60) }).take(11)).toEqual(upTo(50, 60));
  });

  it('gives nothing twice that came while the store was read', async () => {
    const { tell, take } = open({ since: 0, store: upTo(1, 6), lastTold: 4 });
    tell(5, 6, 7);
    expect(await take(7)).toEqual(upTo(1, 7));
  });

  it('reads on from the store where more has come than finds room', async () => {
    const store = upTo(1, 600);
    const { tell, take, stream } = open({ since: 0, store, most: 3 });
    expect(await take(100)).toEqual(upTo(1, 100));
    store.push(...upTo(601, 610));
    tell(...upTo(601, 610));
    expect(await take(510)).toEqual(upTo(101, 610));
    // Also who has caught up.
    store.push(...upTo(611, 620));
    tell(...upTo(611, 620));
    expect(await take(10)).toEqual(upTo(611, 620));
    tell(621);
    expect((await stream.next()).value.seq).toBe(621);
  });

  it('takes from what waits what the store has not, or no longer', async () => {
    const { tell, take } = open({ since: 0, store: [1, 2, 6, 7], lastTold: 8 });
    tell(...upTo(3, 9));
    expect(await take(9)).toEqual(upTo(1, 9));
  });

  it('is told of a hole, wherever it is', async () => {
    const code = 'ERR_USB_HISTORY';
    const inStore = open({ since: 0, store: [3, 4, 8, 9] });
    inStore.tell(5);
    expect(await inStore.take(3)).toEqual([3, 4, 5]);
    await expect(inStore.stream.next()).rejects.toMatchObject({ code, message: 'events 6 to 7 are no longer kept: go on with since: 7' });
    const atItsEnd = open({ since: 2, store: [3], lastTold: 5 });
    expect(await atItsEnd.take(1)).toEqual([3]);
    await expect(atItsEnd.stream.next()).rejects.toMatchObject({ code, message: 'events 4 to 5 are no longer kept: go on with since: 5' });
    const inWhatComes = open({ since: 2, store: [2, 3] });
    inWhatComes.tell(4, 6);
    expect(await inWhatComes.take(2)).toEqual([3, 4]);
    await expect(inWhatComes.stream.next()).rejects.toMatchObject({ code, message: 'events 5 to 5 are no longer kept: go on with since: 5' });
  });

  it.each([0, 1])('%i does not hide that the store was trimmed between two readings', async (since) => {
    const store = upTo(1, 600);
    const { take, stream } = open({ since, store });
    await take(1);
    store.splice(0, 300);
    expect(await take(255)).toEqual(upTo(since + 2, since + 256));
    await expect(stream.next()).rejects.toMatchObject({ code: 'ERR_USB_HISTORY', message: `events ${since + 257} to 300 are no longer kept: go on with since: 300` });
  });

  it('0 begins with what comes where nothing is kept', async () => {
    const { tell, take } = open({ since: 0, lastTold: 5 });
    const all = take(2);
    tell(6, 7);
    expect(await all).toEqual([6, 7]);
    const other = open({ since: 0, lastTold: 5 });
    other.tell(4, 5, 6);
    expect(await other.take(3)).toEqual([4, 5, 6]);
  });

  it('of an event that has not been here is refused', async () => {
    const { stream } = open({ since: 10, store: upTo(1, 9) });
    await expect(stream.next()).rejects.toMatchObject({ code: 'ERR_USB_HISTORY', message: 'event 10 has not been here: the last one is 9' });
  });

  it('of the last event gives only what comes, also where that tells again of what is old', async () => {
    const { tell, take, asked } = open({ since: 9, store: upTo(1, 9) });
    tell(3, 9, 10);
    expect(await take(1)).toEqual([10]);
    expect(asked).toEqual([]);
  });

  it('says what is no longer kept, and where to go on', async () => {
    const { stream } = open({ since: 3, store: upTo(10, 12) });
    await expect(stream.next()).rejects.toMatchObject({ code: 'ERR_USB_HISTORY', message: 'events 4 to 9 are no longer kept: go on with since: 9' });
  });

  it('fails with what the reading of the store fails with', async () => {
    const { stream } = open({ since: 1, lastTold: 5, read: async () => { throw new Error('disk'); } });
    await expect(stream.next()).rejects.toThrow('disk');
  });

  it('ends with its signal and with return() while the store does not answer', async () => {
    const reading = async (signal) => {
      const asked = new EventEmitter();
      const opened = open({ since: 1, lastTold: 5, signal, read: () => new Promise(() => asked.emit('read')) });
      const next = opened.stream.next();
      await once(asked, 'read');
      return { ...opened, next };
    };
    const controller = new AbortController();
    const aborted = await reading(controller.signal);
    controller.abort();
    await expect(aborted.next).rejects.toMatchObject({ name: 'AbortError' });
    const returned = await reading();
    await returned.stream.return();
    expect((await returned.next).done).toBe(true);
  });

  it('ends with its signal in the midst of what has been read', async () => {
    const controller = new AbortController();
    const { take, stream } = open({ since: 0, store: upTo(1, 9), signal: controller.signal });
    expect(await take(2)).toEqual([1, 2]);
    controller.abort();
    await expect(stream.next()).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('a daemon that stops', () => {
  const message = (from, after) => `the daemon has stopped before event ${from} was read: when it is started again, go on with since: '${after}'`;

  it('says where to go on, whether its store still answers or not', async () => {
    for (const read of [async () => undefined, () => new Promise(() => {})]) {
      const { audience, stream } = open({ since: 1, lastTold: 5, read });
      const refused = expect(stream.next()).rejects.toMatchObject({ code: 'ERR_USB_HISTORY', message: message(2, 'p:1') });
      await new Promise(setImmediate);
      audience.end();
      await refused;
      expect((await stream.next()).done).toBe(true);
    }
    const { audience, stream } = open({ since: 0, lastTold: 5, read: async () => undefined });
    audience.tell('attach', device(6), { eventId: 'p:6', seq: 6 });
    audience.end();
    await expect(stream.next()).rejects.toMatchObject({ code: 'ERR_USB_HISTORY', message: message(1, 'p:0') });
  });

  it('hides nothing where all that is missing waits', async () => {
    const { audience, tell, take } = open({ since: 3, lastTold: 5, read: async () => undefined });
    tell(4, 5, 6);
    audience.end();
    expect(await take(4)).toEqual([4, 5, 6, 'end']);
    const last = open({ since: 5, lastTold: 5, read: async () => undefined });
    last.tell(6);
    last.audience.end();
    expect(await last.take(2)).toEqual([6, 'end']);
  });

  it.each([[5], [0]])('ends an iterator that has not been asked yet, since %i', async (since) => {
    const daemon = openDaemon();
    await daemon.start();
    for (let at = 1; at <= 5; at += 1) daemon.simulateAttach({ name: `201-${at}` });
    await daemon.heard.waitFor('device:attach', { count: 5 });
    const events = daemon.events({ since });
    const { outbox } = daemon.getHealth();
    daemon.simulateAttach({ name: '201-6' });
    await daemon.heard.waitFor('device:attach', { count: 6 });
    const stopped = daemon.stop();
    const asked = events.next();
    if (since === 0) await expect(asked).rejects.toMatchObject({ code: 'ERR_USB_HISTORY', message: message(1, `${outbox.producer}:0`) });
    else expect((await asked).value.seq).toBe(6);
    expect((await events.next()).done).toBe(true);
    await stopped;
  });

  it('says where to go on where the outbox file has gone back in time, and events go on under other numbers', async () => {
    const anew = { code: 'ERR_USB_HISTORY', message: expect.stringContaining("go on with since: 'q:0'") };
    const { audience, stream, tell, take } = open({ since: 0, store: [1, 2] });
    expect(await take(2)).toEqual([1, 2]);
    tell(3);
    expect(await take(1)).toEqual([3]);
    audience.tell('attach', device(1, 'q'), { eventId: 'q:1', seq: 1, producer: 'q' });
    await expect(stream.next()).rejects.toMatchObject(anew);
    const { stream: reading } = open({ since: 1, lastTold: 5, read: async () => [{ seq: 2, type: 'attach', device: device(2, 'q') }] });
    await expect(reading.next()).rejects.toMatchObject(anew);
  });

  it('passes over what a repeated start tells of an earlier series', async () => {
    const { audience, tell, take } = open({ since: 2, lastTold: 2 });
    audience.tell('attach', device(9, 'old'), { eventId: 'old:9', seq: 9, producer: 'old' });
    tell(3);
    expect(await take(1)).toEqual([3]);
  });
});
