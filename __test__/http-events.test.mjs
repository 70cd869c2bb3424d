// Events over HTTP: each once, in order and without a hole, wherever a client left off.

import { join } from 'node:path';
import { expect, it } from 'vitest';
import { stateFolder } from './command.mjs';
import { cycle } from './daemon.mjs';
import { ask, follow, served } from './http-served.mjs';
import { upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const transitions = (count) => (stream) => stream.transitions.length >= count;
const COUNT = 1500;
/** More than the sockets and the feed hold. */
const SLOW = 3000;
const HOSTILE = '<img src=x onerror=alert(1)>\n\nevent: attach\ndata: {}\u2028';

/** Simulated so far, all of it stored. */
async function stored(daemon, count) {
  cycle(daemon, count);
  await until(() => daemon.getHealth().outbox.published >= count, 'all to be stored');
}

it('what comes is told as it comes, with who saw it and how long each step took', async () => {
  const { daemon, port } = await served();
  const stream = await follow(port, '/events');
  expect(stream.headers['content-type']).toBe('text/event-stream');
  daemon.simulateAttach({ name: '201-1', vendorId: 0x046d, productId: 0xc31c, product: HOSTILE });
  daemon.simulateDetach('201-1');
  await stream.waitUntil(({ all }) => all.filter(({ event, data }) => event === 'progress' && data.steps.store !== undefined).length >= 2, 'both to be stored');
  const [attach, detach] = stream.transitions;
  const { producer } = daemon.getHealth().outbox;
  expect(attach).toEqual({
    event: 'attach',
    id: `${producer}:1`,
    data: {
      type: 'attach',
      seq: 1,
      eventId: `${producer}:1`,
      device: daemon.heard.of('device:attach')[0],
      seenBy: { simulated: 0 },
      steps: expect.objectContaining({ announce: expect.any(Number) }),
    },
  });
  expect(attach.data.device.product).toBe(HOSTILE.replaceAll('\n', '\n'));
  expect([detach.event, detach.id]).toEqual(['detach', `${producer}:2`]);
  expect(stream.of('progress')[0]).toMatchObject({ id: undefined, data: { eventId: `${producer}:1`, seenBy: { simulated: 0 } } });
});

it('what a filter holds back is told as withheld, and listed', async () => {
  const { daemon, port } = await served({ filters: { vendor_blacklist: [0x1234] } });
  const stream = await follow(port, '/events');
  daemon.simulateAttach({ name: '201-1.3', vendorId: 0x1234, productId: 1, product: 'Held' });
  daemon.simulateAttach({ name: '201-2', vendorId: 0x046d });
  await stream.waitUntil((stream) => transitions(1)(stream) && stream.of('withheld').length > 0, 'both');
  const expected = {
    timestamp: expect.any(Number), action: 'attach', reason: 'filtered', source: 'simulated', name: '201-1.3', vendorId: 0x1234, productId: 1,
    busNumber: 201, deviceAddress: expect.any(Number), product: 'Held', detail: 'filters.vendor_blacklist',
  };
  expect(stream.of('withheld')).toEqual([{ event: 'withheld', id: undefined, data: expected }]);
  expect(JSON.parse((await ask(port, '/withheld')).text)).toEqual({ withheld: [expected] });
  const { devices, heldBack } = JSON.parse((await ask(port, '/devices')).text);
  expect([devices, heldBack]).toEqual([[{ ...daemon.heard.of('device:attach')[0], name: '201-2', drivers: [] }], [expected]]);
});

it('a client goes on where it left off, by its header, a parameter, or so many back', async () => {
  const { daemon, port } = await served();
  await stored(daemon, 20);
  const { producer } = daemon.getHealth().outbox;
  for (const [path, headers, first] of [
    ['/events', { 'last-event-id': `${producer}:12` }, 13],
    ['/events', { 'last-event-id': '12' }, 13],
    [`/events?since=${producer}:15`, {}, 16],
    ['/events?since=0', {}, 1],
    ['/events?last=3', {}, 18],
    ['/events?last=3', { 'last-event-id': `${producer}:19` }, 20],
    ['/events?last=1000', {}, 1],
    ['/api/v1/usb/events/stream', { 'last-event-id': `${producer}:12` }, 13],
  ]) {
    const stream = await follow(port, path, headers);
    await stream.waitUntil(transitions(21 - first), `${path} ${JSON.stringify(headers)}`);
    expect(stream.seqs).toEqual(upTo(20).slice(first - 1));
    expect(stream.of('gap')).toEqual([]);
    stream.close();
  }
  for (const path of ['/events?since=x', '/events?last=-1', '/events?sinse=1']) {
    expect([path, (await ask(port, path)).status]).toEqual([path, 400]);
  }
});

it('a client that comes back after a restart of the daemon misses nothing and gets nothing twice', async () => {
  const outbox = { path: join(stateFolder(), 'outbox.db') };
  const { daemon, port } = await served({ outbox });
  const before = await follow(port, '/events?since=0');
  cycle(daemon, 10);
  await before.waitUntil(transitions(10), 'the first ten');
  before.close();
  const lastEventId = before.transitions.at(-1).id;
  await stored(daemon, 10);
  await daemon.stop();
  const again = await served({ outbox, port });
  const stream = await follow(port, '/events', { 'last-event-id': lastEventId });
  cycle(again.daemon, 10);
  await stream.waitUntil(transitions(20), 'the other twenty');
  expect([...before.seqs, ...stream.seqs]).toEqual(upTo(30));
  expect(stream.transitions[0].id.split(':')[0]).toBe(lastEventId.split(':')[0]);
  expect(stream.of('gap')).toEqual([]);
});

it('what is no longer kept, or was another daemon\'s, is told as a gap before what there is', async () => {
  const { daemon, port } = await served({ outbox: { retain: 5 } });
  // The newest are at hand, however few are to be kept.
  await stored(daemon, COUNT);
  const { producer } = daemon.getHealth().outbox;
  const gap = (lost) => ({ source: 'outbox', cause: 'not-kept', timestamp: expect.any(Number), synthesized: 0, ...(lost === undefined ? {} : { lost }) });
  const old = await follow(port, '/events', { 'last-event-id': `${producer}:2` });
  await old.waitUntil(({ seqs }) => seqs.at(-1) === COUNT, 'the newest');
  expect(old.all[0]).toEqual({ event: 'gap', id: undefined, data: gap(old.seqs[0] - 3) });
  expect(old.seqs).toEqual(upTo(COUNT).slice(old.seqs[0] - 1));

  const foreign = await follow(port, '/events', { 'last-event-id': `${'0'.repeat(16)}:2` });
  await foreign.waitUntil(({ seqs }) => seqs.at(-1) === COUNT, 'the newest');
  expect(foreign.all[0]).toEqual({ event: 'gap', id: undefined, data: gap() });
  expect(foreign.seqs).toEqual(old.seqs);

  const beyond = await follow(port, `/events?since=${COUNT + 1}`);
  cycle(daemon, 2);
  await beyond.waitUntil(transitions(2), 'what comes');
  expect([beyond.all[0].event, beyond.seqs]).toEqual(['gap', [COUNT + 1, COUNT + 2]]);
});

it('a client that reads slowly loses nothing, and holds up nobody', async () => {
  const { daemon, port } = await served({ outbox: { retain: 10_000 } });
  const slow = await follow(port, '/events');
  const quick = await follow(port, '/events');
  slow.pause();
  cycle(daemon, SLOW);
  await quick.waitUntil(transitions(SLOW), 'all of them, quickly');
  expect(slow.transitions.length).toBeLessThan(SLOW);
  slow.resume();
  await slow.waitUntil(transitions(SLOW), 'all of them, in the end');
  expect([slow.seqs, quick.seqs]).toEqual([upTo(SLOW), upTo(SLOW)]);
  expect(slow.of('gap')).toEqual([]);
  // What it missed beside the events is said, so this was slow enough.
  expect(slow.of('skipped').length).toBeGreaterThan(0);
});

it('there is room for so many followers, and for those who ask beside them', async () => {
  const { port } = await served();
  const streams = await Promise.all(upTo(64).map(() => follow(port, '/events')));
  expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]));
  const refused = await ask(port, '/events');
  expect([refused.status, refused.headers['retry-after'], JSON.parse(refused.text).error.code]).toEqual([503, '5', 'ERR_USB_HTTP_BUSY']);
  expect((await ask(port, '/live')).status).toBe(200);
  streams[0].close();
  await until(async () => (await ask(port, '/events', { method: 'HEAD' })).status === 200 && (await follow(port, '/events')).status === 200, 'room');
});

it('a stop ends a stream', async () => {
  const { daemon, port } = await served();
  const stream = await follow(port, '/events');
  await daemon.stop();
  await stream.closed;
});
