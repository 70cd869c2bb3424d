// Who is measured: each by its name, and what starts it in a bed.

import { join } from 'node:path';
import { openNamespaceBed } from '../__test__/beds/namespace/index.mjs';
import { freePort } from '../__test__/redis-server.mjs';
import { until } from '../__test__/until.mjs';
import { delaysOf, startLibusb, startSubject } from './subject.mjs';

export const OURS = 'usb-daemon';
export const FORMER = 'usb 2 + ioredis 5, to XADD';
export const LIBUSB = 'C libusb, no Node';
export const NODE = 'bare Node';

/** Everything on: both sources, snapshots, the HTTP server, the outbox in a file, and Redis. */
async function everythingOn(folder, redis) {
  return {
    redis,
    outbox: { path: join(folder, 'outbox.db') },
    monitoring: { enabled: true, healthcheck_port: await freePort() },
    performance: { max_events_per_second: 0 },
  };
}

/** Name to `(bed) => subject`; `config` changes ours, `more` are further options of its program. */
export function subjectsWith({ peers, program, home, redis }) {
  const peer = (name) => (bed) => startSubject(bed, name, { peers, redis });
  return {
    [OURS]: async (bed, config = {}, more = {}) => startSubject(bed, 'usb-daemon', { config: { ...(await everythingOn(home, redis)), ...config }, ...more }),
    'usb 2': peer('usb2'),
    'usb 3': peer('usb3'),
    'usb-detection': peer('usb-detection'),
    [FORMER]: peer('former'),
    [LIBUSB]: (bed) => startLibusb(bed, program),
  };
}

/**
 * One load on a subject of its own: `send` sends it. Gives what became of each uevent, and of our own daemon the gaps and whether its
 * devices are the bed's. The bed is a new one: entries that an earlier load has left behind are devices to whoever starts, and no news then.
 */
export async function load(name, start, send, { quietMs = 1_500 } = {}) {
  const bed = await openNamespaceBed({ udevd: true });
  try {
    const subject = await start(bed);
    await settle(subject);
    const before = await subject.ask('devices');
    const since = (await bed.ledger()).length;
    await send(bed, subject);
    const uevents = await bed.ledger({ since });
    const verdict = await subject.hears(uevents.length, { quietMs });
    const ms = delaysOf(uevents, await subject.take());
    const outcome = { name, sent: uevents.length, lost: ms.filter((each) => each === Infinity).length, crashed: verdict === null, lastAttach: lastAttach(uevents, ms) };
    if (name === OURS && !outcome.crashed) {
      outcome.gaps = (await subject.ask('gaps')).map(({ source, cause, lost }) => ({ source, cause, lost }));
      outcome.setIsRight = await isSet(subject, expectedSet(before, uevents));
    }
    await subject.end();
    return outcome;
  } finally {
    await bed.close();
  }
}

/** A peer tells of what is present at start as well, a while after. */
export async function settle(subject) {
  await new Promise((resolve) => setTimeout(resolve, 300));
  while (((await subject.ask('health'))?.outbox?.waiting ?? 0) > 0);
  await subject.take();
}

/** From the first uevent to the last callback of an attach, in ms. */
function lastAttach(uevents, ms) {
  const adds = uevents.map(({ action, monotonic_ns }, at) => ({ action, at: monotonic_ns / 1e6 + ms[at] })).filter(({ action }) => action === 'add');
  return adds.length === 0 ? null : Math.max(...adds.map(({ at }) => at)) - uevents[0].monotonic_ns / 1e6;
}

function expectedSet(before, uevents) {
  const present = new Set(before.map((each) => each.join(':')));
  for (const { action, busnum, devnum } of uevents) present[action === 'add' ? 'add' : 'delete'](`${busnum}:${devnum}`);
  return present;
}

/** After a gap a snapshot makes it right, within one interval. */
async function isSet(subject, expected) {
  const same = async () => {
    const listed = (await subject.ask('devices')).map((each) => each.join(':'));
    return listed.length === expected.size && listed.every((each) => expected.has(each));
  };
  return until(same, 'the set of devices', { timeoutMs: 10_000 }).then(() => true, () => false);
}

/** Each in its turn, forth and back: none always comes after the same one. `after` is told what each round has found. */
export async function inTurns(rounds, subjects, measure, after = () => {}) {
  const found = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? Object.entries(subjects) : Object.entries(subjects).reverse();
    for (const [name, start] of order) found[name].push(await measure(name, start, round));
    after(round, found);
  }
  return found;
}
