// Latency in the QEMU kernel, with udevd: from the kernel's broadcast to the callback, and to the entry that Redis has acknowledged.

import { realpathSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { openQemuBed } from '../../__test__/beds/qemu/index.mjs';
import { broadcastOf, recordBroadcasts, recordedBroadcasts } from '../../__test__/kernel-broadcasts.mjs';
import { GuestRedis } from '../../__test__/kernel-witnesses.mjs';
import { quantile, quantilesOverRounds, ratioOverRounds } from '../figures.mjs';
import { peerFolder } from '../peers.mjs';
import { delaysOf, startSubject } from '../subject.mjs';
import { FORMER, OURS, inTurns } from '../subjects.mjs';

export const title = 'Latency in the QEMU kernel, with udevd';

const KINDS = ['keyboard', 'storage', 'serial', 'tablet'];
const PEER = 'usb 2';
const OURS_XADD = 'usb-daemon, to XADD';
const PATIENCE_MS = 5_000;
/** Asking costs the guest's one processor: nobody is asked before this is over. */
const LEAVE_ALONE_MS = 150;

/** Waits until it has heard of so many, asking seldom. */
async function hears(subject, count) {
  const deadline = performance.now() + PATIENCE_MS;
  do await pause(LEAVE_ALONE_MS);
  while ((await subject.ask('count')) < count && performance.now() < deadline);
}

/** One turn of one subject: of each uevent when it was broadcast and how long after that it was heard of, in ms; of an attach, when `bind` was. */
async function measure(bed, subject, plugs) {
  await pause(500);
  await subject.take();
  const from = bed.uevents().length;
  for (let at = 0; at < plugs; at += 1) {
    const handle = await bed.plug({ kind: KINDS[at % KINDS.length], controller: at % 4, port: String(1 + (at % 3)), serial: `LATENCY-${at}` });
    await bed.settle(handle, 'bind');
    await hears(subject, at * 2 + 1);
    await bed.unplug(handle);
    await bed.settle(handle, 'gone');
    await hears(subject, at * 2 + 2);
  }
  const uevents = bed.uevents().slice(from).filter(({ repeated }) => !repeated);
  const moments = await recordedBroadcasts(bed);
  const stamped = uevents.map((uevent) => ({ ...uevent, monotonic_ns: broadcastOf(uevent, moments) }));
  const transitions = stamped.filter(({ action }) => action === 'add' || action === 'remove');
  const delays = delaysOf(transitions, await subject.take());
  return transitions.map((uevent, at) => ({ attach: uevent.action === 'add', ms: delays[at], bindMs: bindAfter(uevent, stamped), kind: KINDS[Math.floor(at / 2) % KINDS.length] }));
}

/** How long after its `add` a device was bound, in ms. */
function bindAfter(uevent, stamped) {
  if (uevent.action !== 'add') return null;
  const bind = stamped.find(({ action, devpath, monotonic_ns }) => action === 'bind' && devpath === uevent.devpath && monotonic_ns >= uevent.monotonic_ns);
  return bind ? (bind.monotonic_ns - uevent.monotonic_ns) / 1e6 : Infinity;
}

export async function run({ quick, log, folder }) {
  const [turns, plugs] = quick ? [1, 8] : [4, 22];
  const measured = process.env.BENCH_PACKAGE;
  // The guest has the host's files but for these.
  if (measured !== undefined && /^\/(tmp|run|dev)\//.test(realpathSync(measured))) throw new Error(`${measured} is not there in the guest, whose /tmp, /run and /dev are its own: install the package elsewhere`);
  const peers = await peerFolder(folder);
  const bed = await openQemuBed({ udev: true });
  let found;
  try {
    await recordBroadcasts(bed);
    const redis = { port: (await GuestRedis.start(bed)).port };
    const monitoring = { enabled: false };
    const subjects = {
      [OURS]: () => startSubject(bed, 'usb-daemon', { config: { redis: false, monitoring } }),
      [PEER]: () => startSubject(bed, 'usb2', { peers }),
      [OURS_XADD]: (turn) => startSubject(bed, 'usb-daemon', { config: { redis, outbox: { path: `/tmp/kernel-${turn}/outbox.db` }, monitoring }, published: true }),
      [FORMER]: () => startSubject(bed, 'former', { peers, redis }),
    };
    // Never at once: on the guest's one processor each would be measured by what the other does.
    const inGuest = async (_, start, turn) => {
      const subject = await start(turn);
      const events = await measure(bed, subject, plugs);
      await subject.end();
      return events;
    };
    found = await inTurns(turns, subjects, inGuest, (turn, all) => {
      log(`turn ${turn + 1} of ${turns}: ${Object.entries(all).map(([name, each]) => `${name} ${['attach', 'detach'].map((event) => millis(quantile(times(each.at(-1), event), 0.5))).join('/')}`).join(', ')} ms`);
    });
  } finally {
    await bed.close();
  }
  return report(found, plugs);
}

/** The delays of one kind of event, or of both. */
function times(turn, event) {
  return turn.filter(({ attach }) => event === undefined || attach === (event === 'attach')).map(({ ms }) => ms);
}

const millis = (ms) => (Number.isFinite(ms) ? Number(ms.toFixed(2)) : '–');

function report(found, plugs) {
  const turnsOf = (name, event) => found[name].map((turn) => times(turn, event));
  const ratio = (name, other, event, share) => ratioOverRounds(turnsOf(name, event), turnsOf(other, event), share);
  // A turn has too few for one in a hundred.
  const slowest = (name) => quantile(turnsOf(name).flat(), 0.99);
  const binds = found[OURS].flat().filter(({ attach }) => attach);
  const row = (name, event) => {
    const all = turnsOf(name, event).flat();
    return [`${event}, ${name}`, all.length, ...quantilesOverRounds(turnsOf(name, event), [0.5, 0.95]).map(millis), millis(Math.max(...all.filter(Number.isFinite))), all.filter((ms) => ms === Infinity).length];
  };
  const spread = (caption, values) => [caption, ...[0.1, 0.5, 0.9].map((share) => millis(quantile(values, share)))];
  // What is told after `bind` has waited for the driver.
  const waited = (caption, attaches) => [...spread(caption, attaches.map(({ ms }) => ms)), `${attaches.filter(({ ms, bindMs }) => ms > bindMs).length} of ${attaches.length}`];
  return {
    tables: [
      {
        caption: `ms after the kernel's broadcast; medians over ${found[OURS].length} turns of ${plugs} pairs`,
        head: ['', 'events', 'p50', 'p95', 'largest of all', 'never'],
        rows: Object.keys(found).flatMap((name) => ['attach', 'detach'].map((event) => row(name, event))),
      },
      {
        caption: `ms; sysfs keeps the strings back until the driver has probed the device, and the kernel says \`bind\` then; its log has them before (${OURS}, attach)`,
        head: ['', 'p10', 'p50', 'p90', 'told after `bind`'],
        rows: [
          ...KINDS.map((kind) => waited(`\`add\` to our callback, ${kind}`, binds.filter((each) => each.kind === kind))),
          waited('`add` to our callback, all', binds),
          spread('`add` to `bind`', binds.map(({ bindMs }) => bindMs)),
          spread('`bind` to our callback', binds.map(({ ms, bindMs }) => ms - bindMs)),
        ],
      },
    ],
    checks: [
      { name: `attach to callback, p50, of ${PEER}`, value: ratio(OURS, PEER, 'attach', 0.5), atMost: 0.1 },
      { name: `detach to callback, p50, of ${PEER}`, value: ratio(OURS, PEER, 'detach', 0.5), atMost: 0.1 },
      { name: 'attach to XADD, p50, of the former path', value: ratio(OURS_XADD, FORMER, 'attach', 0.5), atMost: 0.2 },
      { name: 'detach to XADD, p50, of the former path', value: ratio(OURS_XADD, FORMER, 'detach', 0.5), atMost: 0.9 },
      { name: 'to XADD, p99, of the former path', value: slowest(OURS_XADD) / slowest(FORMER), atMost: 0.2 },
      { name: 'events never heard of', value: [OURS, OURS_XADD].flatMap((name) => turnsOf(name).flat()).filter((ms) => ms === Infinity).length, atMost: 0 },
      // A peer that is deaf in the guest would make any comparison come out well.
      { name: 'share of its events that a peer never heard of', value: Math.max(...[PEER, FORMER].map((name) => share(turnsOf(name).flat()))), atMost: 0.25 },
    ],
    plots: [],
    data: { unit: 'ms', turns: found },
  };
}

const share = (all) => all.filter((ms) => ms === Infinity).length / all.length;
