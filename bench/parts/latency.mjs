// From the kernel's uevent to the JavaScript callback, and to the entry that Redis has acknowledged, beside the peers: on the namespace
// bed, the same events for everybody, in turns.

import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openNamespaceBed } from '../../__test__/beds/namespace/index.mjs';
import { startRedis } from '../../__test__/redis-server.mjs';
import { quantile, quantilesOverRounds, ratioOverRounds } from '../figures.mjs';
import { floorAddon, libusbProgram, peerFolder } from '../peers.mjs';
import { delaysOf, startSubject } from '../subject.mjs';
import { FORMER, LIBUSB, OURS, inTurns, settle, subjectsWith } from '../subjects.mjs';

export const title = 'Latency in the namespace: from the uevent to the callback, and to the acknowledged XADD';

const WARM_UP = 20;
/** Of three hundred events three are beyond the 99th percentile of a round; of a hundred it would be one of the slowest two. */
const CYCLES = 150;
/** Events are this far apart, so that each finds everything cold, as in life. */
const PAUSE_MS = 10;
const SHARES = [0.5, 0.95, 0.99, 0.999];
const FLOOR = 'floor: C addon, own thread';
const OURS_XADD = 'usb-daemon, to XADD';
const NODE_PEERS = ['usb 2', 'usb 3', 'usb-detection'];

/** One round of one subject: the delay of each event, in ms, attach and detach in turns. */
async function measure(bed, start) {
  const subject = await start(bed);
  await settle(subject);
  const since = (await bed.ledger()).length;
  // The bed keeps the time by itself: were each event asked for from here, this process would run when the subject wants to.
  await bed.burst({ pairs: WARM_UP + CYCLES, port: '5', rate_per_second: 1000 / PAUSE_MS, interfaces_follow: true });
  const uevents = await bed.ledger({ since });
  await subject.hears(uevents.length);
  const delays = delaysOf(uevents, await subject.take()).slice(WARM_UP * 2);
  await subject.end();
  return delays;
}

export async function run({ quick, log, folder }) {
  const rounds = quick ? 3 : 10;
  const peers = await peerFolder(folder);
  const program = await libusbProgram(folder);
  const addon = await floorAddon(folder);
  const home = await mkdtemp(join(tmpdir(), 'usb-daemon-bench-'));
  const server = await startRedis({ args: ['--unixsocket', join(home, 'redis.sock')] });
  const subjects = subjectsWith({ peers, program, home, redis: { path: join(home, 'redis.sock') } });
  const { [OURS]: ours, [FORMER]: former, ...others } = subjects;
  const floor = (inBed) => startSubject(inBed, 'floor', { addon });
  const all = { [OURS]: ours, ...others, [FLOOR]: floor, [OURS_XADD]: (inBed) => ours(inBed, {}, { published: true }), [FORMER]: former };
  const bed = await openNamespaceBed({ udevd: true });
  const loads = [loadavg()[0]];
  let times;
  try {
    times = await inTurns(rounds, all, (_, start) => measure(bed, start), (round, found) => {
      loads.push(loadavg()[0]);
      log(`round ${round + 1} of ${rounds}: ${Object.entries(found).map(([name, each]) => `${name} ${(quantile(each.at(-1), 0.5) * 1000).toFixed(0)}`).join(', ')} µs`);
    });
  } finally {
    await bed.close();
    await server.close();
    await rm(home, { recursive: true, force: true });
  }
  return report(times, loads);
}

function report(times, loads) {
  const best = (share) => NODE_PEERS.reduce((found, name) => (figure(times[name], share) < figure(times[found], share) ? name : found));
  const every = (name, at) => times[name].map((round) => round.filter((_, place) => place % 2 === at));
  const [attach, detach] = [0, 1];
  const ratio = (name, other, share) => ratioOverRounds(times[name], times[other], share);
  return {
    tables: [
      {
        caption: `Time after the uevent, µs; medians over ${times[OURS].length} rounds of ${CYCLES} pairs, events ${PAUSE_MS} ms apart (load of the machine ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)})`,
        head: ['', 'p50', 'p95', 'p99', 'p99.9', 'attach p50', 'detach p50', 'never'],
        rows: Object.entries(times).map(([name, rounds]) => [
          name,
          ...quantilesOverRounds(rounds, SHARES.slice(0, 3)).map(micros),
          // A round has too few for one in a thousand.
          micros(quantile(rounds.flat(), SHARES[3])),
          ...[attach, detach].map((at) => micros(figure(every(name, at), 0.5))),
          rounds.flat().filter((ms) => ms === Infinity).length,
        ]),
      },
    ],
    checks: [
      { name: `callback, p50, of ${best(0.5)}`, value: ratio(OURS, best(0.5), 0.5), atMost: 0.75 },
      { name: `callback, p99, of ${best(0.99)}`, value: ratio(OURS, best(0.99), 0.99), atMost: 0.85 },
      { name: 'callback, p50, of the C libusb program', value: ratio(OURS, LIBUSB, 0.5), atMost: 2.0 },
      { name: 'attach to XADD, p50, of the former path', value: ratioOverRounds(every(OURS_XADD, attach), every(FORMER, attach), 0.5), atMost: 0.2 },
      { name: 'detach to XADD, p50, of the former path', value: ratioOverRounds(every(OURS_XADD, detach), every(FORMER, detach), 0.5), atMost: 0.9 },
      { name: 'to XADD, p99, of the former path', value: ratio(OURS_XADD, FORMER, 0.99), atMost: 0.2 },
      { name: 'events never heard of', value: [OURS, OURS_XADD, FLOOR].flatMap((name) => times[name].flat()).filter((ms) => ms === Infinity).length, atMost: 0 },
    ],
    plots: [{ name: 'latency', spec: distribution(times) }],
    data: { unit: 'ms', rounds: times, loads },
  };
}

function figure(rounds, share) {
  return quantilesOverRounds(rounds, [share])[0];
}

const micros = (ms) => (Number.isFinite(ms) ? Math.round(ms * 1000) : '–');

/** What share of the events has come within what time. */
function distribution(times) {
  const values = Object.entries(times).flatMap(([name, rounds]) => {
    const all = rounds.flat().filter(Number.isFinite);
    const shares = Array.from({ length: 200 }, (_, at) => at / 200).concat([0.999]);
    return shares.map((share) => ({ subject: name, share: share * 100, micros: quantile(all, share) * 1000 }));
  });
  return {
    width: 640,
    height: 360,
    data: { values },
    mark: 'line',
    encoding: {
      x: { field: 'micros', type: 'quantitative', scale: { type: 'log' }, title: 'µs after the uevent' },
      y: { field: 'share', type: 'quantitative', title: '% of the events' },
      color: { field: 'subject', type: 'nominal', title: null, sort: Object.keys(times) },
    },
  };
}

