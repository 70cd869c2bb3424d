// One course: so many pairs of real uevents through one process with everything on, watched as it goes.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openNamespaceBed } from '../../__test__/beds/namespace/index.mjs';
import { freePort, startRedis } from '../../__test__/redis-server.mjs';
import { until } from '../../__test__/until.mjs';
import { Watched, storeSize } from './watched.mjs';

/** Pairs after which code is compiled, caches are filled and the first growth of V8's young generation is over. */
export const WARM = 1_000;
/** Until here growth is bounded, from here on there is none. */
export const FLAT = 11_000;
/** Entries that the stream keeps, and events that the outbox does: reached before FLAT, so that both must be flat from there. */
export const KEPT = 10_000;
/** Events sent in a row, and the pause after them: what the chain takes, a few at a time, without a queue that grows but for QUEUED_UNTIL. */
const ROW = { pause_every: 25, pause_ms: 2 };
/**
 * While the chunk up to here is sent the server stands still where the course goes beyond FLAT, so that what waits is published in full batches: what those
 * take the allocator keeps. Sooner or later that comes by itself, and is not to be told from growth where it comes after FLAT.
 */
const QUEUED_UNTIL = 2_000;
/** A peer has heard by then of what it hears of. */
const PEER_REST_MS = 500;
const PATIENCE_MS = 60_000;

/** A redis-server that is reached by a socket in this folder. */
export async function redisIn(home) {
  const socket = join(home, 'redis.sock');
  return Object.assign(await startRedis({ args: ['--unixsocket', socket] }), { socket });
}

/** Everything on: both sources, comparisons with a long interval, the HTTP server, the outbox in a file, and Redis. */
export async function everythingOn(home, server) {
  return {
    redis: { path: server.socket, maxlen: KEPT },
    outbox: { path: join(home, 'outbox.db'), retain: KEPT },
    monitoring: { enabled: true, healthcheck_port: await freePort(), interval: 3_600_000 },
    performance: { max_events_per_second: 0, batch_size: 100 },
  };
}

/**
 * Numbers of pairs at which samples are taken; `true` where it is asked, and garbage collected, as well. Seldom: each such time leaves some 20 KB that
 * outlive the collections that follow, and V8 has its young generation grow by what does.
 */
export function samplePoints(pairs) {
  const points = new Map();
  const early = Math.min(FLAT, pairs);
  for (let at = 500; at <= early; at += 500) points.set(at, at === WARM || at === FLAT);
  const each = Math.max(500, Math.round(pairs / 400));
  for (let at = FLAT + each; at < pairs; at += each) points.set(at, false);
  points.set(pairs, true);
  if (pairs > FLAT && !points.has(QUEUED_UNTIL)) throw new Error(`no sample after ${QUEUED_UNTIL} pairs`);
  return points;
}

/**
 * Runs the course of one subject. Gives its samples, what bare Node takes in the same bed, and the account of all events at the end.
 * `options` makes the subject's from the scratch folder and the server. `udevd`: its messages follow the kernel's, which peers listen to.
 */
export async function runCourse({ pairs, subject = 'usb-daemon', options, leak, entry = 'removed', udevd = false, log = () => {}, row = ROW }) {
  const home = await mkdtemp(join(tmpdir(), 'usb-daemon-soak-'));
  const server = await redisIn(home);
  const bed = await openNamespaceBed({ udevd });
  try {
    const bare = await bareNode(bed);
    const watched = await Watched.start(bed, subject, { ...(options ? options({ home, server }) : { config: await everythingOn(home, server) }), leak });
    const began = performance.now();
    const samples = [];
    // Both ends of what is to be flat are seen at rest as well.
    const measure = (sent, asks, lag) => sampled({ watched, server, home, sent, asks, rests: asks && sent >= FLAT && pairs > FLAT, lag });
    const { heard: { present }, outbox } = await watched.settle(0);
    const atStart = { ...(await measure(0, true, 0)), mappings: await watched.mappings() };
    let sent = 0;
    for (const [at, asks] of samplePoints(pairs)) {
      const isQueued = at === QUEUED_UNTIL && outbox && pairs > FLAT;
      if (isQueued) server.signal('SIGSTOP');
      await bed.burst({ pairs: at - sent, entry, ...row });
      if (isQueued) server.signal('SIGCONT');
      sent = at;
      const lag = outbox ? await published(server, present + sent * 2) : await pause(PEER_REST_MS);
      if (asks) await watched.settle(sent * 2);
      samples.push(await measure(sent, asks, lag));
      log(samples.at(-1));
    }
    const seconds = (performance.now() - began) / 1_000;
    const account = await accountOf(watched, server, pairs);
    const [mappings, threads] = [await watched.mappings(), await watched.threadNames()];
    const ended = await watched.end();
    return { pairs, seconds, bare, atStart, samples, account, mappings, threads, ended, stderr: watched.stderrText() };
  } finally {
    await bed.close();
    await server.close();
    await rm(home, { recursive: true, force: true });
  }
}

/** What Node alone takes, by the same program. */
async function bareNode(bed) {
  const node = await Watched.start(bed, 'node', {});
  // As after a while: what is read once at start is there.
  await node.sample({ asks: true });
  const [sample, mappings] = [await node.sample({ asks: true }), await node.mappings()];
  await node.end();
  return { ...sample, mappings };
}

/** Waits until so many events are in the stream; how many were not yet. Seen from outside: whoever is asked allocates what the answer takes. */
async function published(server, events) {
  const lag = events - (await addedToStream(server));
  await until(async () => (await addedToStream(server)) >= events, `${events} events in the stream`, { timeoutMs: PATIENCE_MS });
  return lag;
}

async function addedToStream(server) {
  // There is no stream before its first entry.
  if ((await server.client.xlen('aw:hotplug')) === 0) return 0;
  const info = await server.client.xinfo('STREAM', 'aw:hotplug');
  return Number(info[info.indexOf('entries-added') + 1]);
}

async function sampled({ watched, server, home, sent, asks, rests, lag }) {
  const sample = await watched.sample({ asks, rests });
  const { store, wal } = await storeSize(join(home, 'outbox.db'));
  return { pairs: sent, ...sample, store, wal, stream: await server.client.xlen('aw:hotplug'), lag };
}

/** Where each event is at the end: told, stored, in the stream. */
async function accountOf(watched, server, pairs) {
  const { heard, outbox } = await watched.settle(pairs * 2);
  if (!outbox) return { heard };
  const [[, fields]] = await server.client.xrevrange('aw:hotplug', '+', '-', 'COUNT', 1);
  return {
    heard,
    outbox,
    lastInStream: Number(fields[fields.indexOf('seq') + 1]),
    addedToStream: await addedToStream(server),
  };
}
