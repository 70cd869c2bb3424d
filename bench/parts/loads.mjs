// How much is lost, kept and taken, beside the peers: on the namespace bed, the same events for everybody, in turns.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from '../../__test__/redis-server.mjs';
import { median } from '../figures.mjs';
import { BURSTS, RATES, atRate, overflowing } from '../loads/bursts.mjs';
import { IDLE_SECONDS, atRest, installSizes } from '../loads/footprint.mjs';
import { FORMER, LIBUSB, NODE, OURS, inTurns, load, subjectsWith } from '../subjects.mjs';
import { libusbProgram, peerFolder } from '../peers.mjs';

export const title = 'Loads in the namespace: what is lost, what it takes';

const PACKAGES = { 'usb 2': ['usb@2'], 'usb 3': ['usb@3'], 'usb-detection': ['usb-detection'], [FORMER]: ['usb@2', 'ioredis@5'] };

export async function run({ quick, log, folder }) {
  const rounds = quick ? 1 : 3;
  const peers = await peerFolder(folder);
  const program = await libusbProgram(folder);
  const home = await mkdtemp(join(tmpdir(), 'usb-daemon-bench-'));
  const server = await startRedis({ args: ['--unixsocket', join(home, 'redis.sock')] });
  const means = { peers, program, redis: { path: join(home, 'redis.sock') } };
  const subjects = subjectsWith({ ...means, home });
  try {
    const bursts = {};
    for (const [row, send] of Object.entries(BURSTS)) {
      bursts[row] = await inTurns(rounds, subjects, (name, start) => load(name, start, send));
      log(`${row}: ${brief(bursts[row], row.startsWith('last') ? 'lastAttach' : 'lost')}`);
    }
    const rates = {};
    for (const rate of RATES) {
      rates[rate ?? 'flat out'] = await inTurns(rounds, subjects, (name, start) => load(name, start, atRate(rate)));
      log(`lost of 2,000 at ${rate ?? 'flat out'}: ${brief(rates[rate ?? 'flat out'], 'lost')}`);
    }
    const overflow = await load(OURS, (inBed) => subjects[OURS](inBed, { sources: { netlink: { receive_buffer: 16_384 } } }), overflowing);
    log(`own buffer overflowing: ${JSON.stringify(overflow)}`);
    // With a store of its own: the other one holds what the loads have brought.
    await mkdir(join(home, 'rest'));
    const resting = await atRest(subjectsWith({ ...means, home: join(home, 'rest') }), { quick });
    log(`start above bare Node, ms: ${JSON.stringify(resting.above)}; wake-ups: ${JSON.stringify(resting.wakeUps)}; RSS, KB: ${JSON.stringify(resting.rss)}`);
    const sizes = await installSizes(folder, PACKAGES);
    return report({ subjects, rounds, bursts, rates, overflow, resting, sizes });
  } finally {
    await server.close();
    await rm(home, { recursive: true, force: true });
  }
}

const brief = (found, what) => Object.entries(found).map(([name, rounds]) => `${name} ${figureOf(rounds, ({ [what]: value }) => round(value))}`).join(', ');

const round = (value) => (Number.isFinite(value) ? Math.round(value * 10) / 10 : '–');

/** The median over rounds, or that it crashed, in how many of them. */
function figureOf(rounds, value) {
  const crashes = rounds.filter(({ crashed }) => crashed).length;
  const figures = rounds.filter(({ crashed }) => !crashed).map(value);
  if (figures.length === 0) return 'crashes';
  const middle = figures.every((each) => typeof each === 'number') ? median(figures) : '–';
  return crashes > 0 ? `${middle} (crashed ${crashes} of ${rounds.length})` : middle;
}

/** The highest rate up to which no round lost anything. */
function highestRate(rates, name) {
  let highest = 'none';
  for (const [rate, found] of ordered(rates)) {
    if (found[name].some(({ lost, crashed }) => lost > 0 || crashed)) break;
    highest = rate;
  }
  return highest;
}

/** Numbers that are keys come first, ascending; then flat out. */
const ordered = (rates) => Object.entries(rates);

function report({ subjects, rounds, bursts, rates, overflow, resting, sizes }) {
  const names = Object.keys(subjects);
  const row = (caption, cell) => [caption, ...names.map(cell)];
  const values = {
    'lost of 2,000, entry gone': ({ lost }) => lost,
    'lost of 20,000, entries kept': ({ lost }) => lost,
    'kept of 2,000 over a SIGSTOP': ({ sent, lost }) => sent - lost,
    'last of 50 at once, ms': ({ lastAttach }) => round(lastAttach),
  };
  const isNode = (name) => name !== LIBUSB;
  const size = (name) => (name === OURS ? sizes.ours : sizes[name]);
  const ours = [...Object.values(bursts), ...Object.values(rates)].flatMap((found) => found[OURS]);
  const wakeUps = (resting.wakeUps[OURS] * IDLE_SECONDS) / resting.seconds;
  return {
    tables: [
      {
        caption: `Under load and at rest; medians over ${rounds} rounds, in turns`,
        head: ['', ...names],
        rows: [
          ...Object.entries(bursts).map(([caption, found]) => row(caption, (name) => figureOf(found[name], values[caption]))),
          row('highest rate without loss, events/s', (name) => highestRate(rates, name)),
          row('RSS above bare Node, MB', (name) => (isNode(name) ? round((resting.rss[name] - resting.rss[NODE]) / 1024) : '–')),
          row(`idle wake-ups in ${resting.seconds} s (bare Node ${resting.wakeUps[NODE]})`, (name) => resting.wakeUps[name]),
          row('start to ready above bare Node, ms', (name) => (isNode(name) ? round(resting.above[name]) : '–')),
          row(`install MB / packages${sizes.ours.shipped ? '' : ' (ours: not a build for shipping)'}`, (name) => (isNode(name) ? `${round(size(name).bytes / 1e6)} / ${size(name).packages}` : '–')),
        ],
      },
      {
        caption: 'Lost of 2,000 events, entries kept, by rate in events/s',
        head: ['events/s', ...names],
        rows: ordered(rates).map(([rate, found]) => [rate, ...names.map((name) => figureOf(found[name], ({ lost }) => lost))]),
      },
    ],
    checks: [
      { name: 'ours: lost, in all rows and rates', value: ours.reduce((sum, { lost }) => sum + lost, 0), atMost: 0 },
      { name: 'ours: crashes', value: ours.filter(({ crashed }) => crashed).length, atMost: 0 },
      { name: 'ours: gaps where no buffer overflowed', value: ours.flatMap(({ gaps }) => gaps ?? []).length, atMost: 0 },
      { name: 'ours: loads after which the set of devices was not the bed\'s', value: [...ours, overflow].filter(({ setIsRight }) => setIsRight === false).length, atMost: 0 },
      { name: 'ours: kept of 2,000 over a SIGSTOP', value: Math.min(...bursts['kept of 2,000 over a SIGSTOP'][OURS].map(({ sent, lost }) => sent - lost)), atLeast: 2_000 },
      { name: 'ours: gaps told where our own buffer overflowed', value: (overflow.gaps ?? []).filter(({ cause }) => cause === 'overflow').length, atLeast: 1 },
      { name: `ours: idle wake-ups in ${IDLE_SECONDS} s`, value: wakeUps, atMost: 29 },
      { name: 'ours: start to ready above bare Node, ms', value: resting.above[OURS], atMost: 15 },
      { name: 'ours: RSS above bare Node, MB', value: (resting.rss[OURS] - resting.rss[NODE]) / 1024, atMost: 7.99 },
    ],
    plots: [{ name: 'loss-against-rate', spec: lossPlot(rates, names) }],
    data: { bursts, rates, overflow, resting, sizes },
  };
}

function lossPlot(rates, names) {
  const values = ordered(rates).flatMap(([rate, found]) =>
    names.flatMap((name) => {
      const whole = found[name].filter(({ crashed }) => !crashed);
      return whole.length === 0 ? [] : [{ subject: name, rate, lost: (100 * median(whole.map(({ lost }) => lost))) / whole[0].sent }];
    }),
  );
  return {
    width: 640,
    height: 360,
    data: { values },
    mark: { type: 'line', point: true },
    encoding: {
      x: { field: 'rate', type: 'ordinal', sort: ordered(rates).map(([rate]) => rate), title: 'events per second' },
      y: { field: 'lost', type: 'quantitative', title: '% lost of 2,000 events' },
      color: { field: 'subject', type: 'nominal', title: null, sort: names },
    },
  };
}
