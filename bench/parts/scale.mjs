// What an event costs beside 10 to 10,000 connected devices, and what a thousand of them cost who looks at them all.

import { execFile } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openNamespaceBed } from '../../__test__/beds/namespace/index.mjs';
import { freePort } from '../../__test__/free-port.mjs';
import { median } from '../figures.mjs';

export const title = 'Scale: cost of an event beside 10 to 10,000 connected devices, and of a snapshot of 1,000';

const program = fileURLToPath(new URL('../programs/connected.cjs', import.meta.url));
const SIZES = [10, 100, 1000, 10_000];
const FLAT_AT_MOST = 1.3;
/** The bed's most. With what hangs on them and the root hubs, a bit more than a thousand devices. */
const CONTROLLERS = 31;
const PORTS = 32;
const DEVICES = 1000;

const rounded = (value) => Math.round(value * 100) / 100;

/** The median, over rounds, of a figure at the largest number of devices, of what it was at the smallest in the same round. */
function growth(found, figure) {
  const [few, many] = [SIZES[0], SIZES.at(-1)].map((size) => found[size]);
  return rounded(median(many.map((round, at) => round[figure] / few[at][figure])));
}

async function measureEvents(quick) {
  const options = { sizes: SIZES, rounds: quick ? 4 : 8, pairs: quick ? 1000 : 3000 };
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'simulated', JSON.stringify(options)]);
  return JSON.parse(stdout);
}

async function plugMany(bed) {
  const handles = [];
  for (let at = 0; at < DEVICES; at += 1) {
    const place = { controller: at % CONTROLLERS, port: String(1 + Math.floor(at / CONTROLLERS)) };
    if (Number(place.port) > PORTS + 1) throw new Error('no room for so many devices');
    handles.push(await bed.plug({ kind: 'mouse', serial: `SCALE${at}`, ...place }));
  }
  return handles;
}

async function lookAtMany(bed, devices, quick) {
  const options = { devices, port: await freePort(), intervalMs: 100, windowMs: quick ? 3000 : 10_000 };
  const { code, stdout, stderr } = await bed.exec([process.execPath, program, 'kernel', JSON.stringify(options)]);
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

export async function run({ quick, log }) {
  log(`an event beside ${SIZES.join(', ')} connected devices, in turns`);
  const events = await measureEvents(quick);
  log('a bed with root hubs only');
  const bed = await openNamespaceBed({ controllers: CONTROLLERS });
  try {
    const few = await lookAtMany(bed, CONTROLLERS, quick);
    log(`${DEVICES} devices plugged in`);
    await plugMany(bed);
    const many = await lookAtMany(bed, CONTROLLERS + DEVICES, quick);
    return report(events, few, many);
  } finally {
    await bed.close();
  }
}

function report(events, few, many) {
  const of = (size, figure) => rounded(median(events[size].map((round) => round[figure])));
  const each = (value) => [value(few), value(many)].map(rounded);
  return {
    tables: [
      {
        caption: `An attach and a detach beside so many connected simulated devices (medians of rounds; ${cpus().length} processors)`,
        head: ['connected', 'processor time of a pair, flat out, µs', 'call to listener, one at a time, p50 µs', 'p99 µs'],
        rows: SIZES.map((size) => [size, of(size, 'cpuUs'), of(size, 'p50Us'), of(size, 'p99Us')]),
      },
      {
        caption: 'All devices at once, on the namespace bed; in ms where nothing else is said',
        head: ['', `${few.first.told} devices`, `${many.first.told} devices`],
        rows: [
          ['start to the last device told (the first snapshot)', ...each((found) => found.first.toldMs)],
          ['processor time until then', ...each((found) => found.first.cpuMs)],
          ['processor time of one snapshot that finds nothing new', ...each((found) => found.warm.cpuMs)],
          ['getConnectedDevices()', ...each((found) => found.listed.wallMs)],
          ['getHealth()', ...each((found) => found.health.wallMs)],
          ['GET /devices', ...each((found) => found.http.wallMs)],
          ['… processor time, the asking side included', ...each((found) => found.http.cpuMs)],
          ['… KB', ...each((found) => found.http.bytes / 1000)],
        ],
      },
    ],
    checks: [
      { name: 'processor time of a pair beside 10,000 devices, of that beside 10', value: growth(events, 'cpuUs'), atMost: FLAT_AT_MOST },
      { name: 'call to listener, p50, beside 10,000 devices, of that beside 10', value: growth(events, 'p50Us'), atMost: FLAT_AT_MOST },
      { name: 'devices of a bed with 1,000 that are told', value: many.first.told, atLeast: DEVICES + CONTROLLERS },
      {
        name: 'processor time of a snapshot of 1,031 devices that finds nothing new, of that of the first one',
        value: rounded(many.warm.cpuMs / many.first.cpuMs),
        atMost: 0.2,
      },
    ],
    plots: [plot(of)],
    data: { events, few, many },
  };
}

function plot(of) {
  const values = SIZES.map((connected) => ({ connected, cost: of(connected, 'cpuUs') }));
  const spec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: 480,
    height: 240,
    data: { values },
    mark: { type: 'line', point: true },
    encoding: {
      x: { field: 'connected', type: 'quantitative', scale: { type: 'log' }, title: 'connected devices' },
      y: { field: 'cost', type: 'quantitative', title: 'processor time of an attach and a detach, µs' },
    },
  };
  return { name: 'scale-connected', spec };
}
