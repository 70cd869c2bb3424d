// Writes functions.txt, by which build.rs has the linker put together what every daemon runs (docs/adr/0005).
//
//   node scripts/order/record.mjs [--add]
//
// Takes the library that "sh scripts/cross/build.sh linux-x64-gnu" or "node scripts/build.mjs --dist" has left in target, which has its symbols
// still, and lets a daemon run with it on the namespace bed, everything on: each function that is called says so, once. Compilers divide
// functions differently: --add keeps what was recorded with another one, before what only this one calls. Wants x86-64, and what
// scripts/setup/test.sh installs.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openNamespaceBed } from '../../__test__/beds/namespace/index.mjs';
import { everythingOn, redisIn } from '../../bench/soak/course.mjs';
import { Watched } from '../../bench/soak/watched.mjs';
import { copyPackage, fileOf, libraryOf, platformHere } from '../addons.mjs';

const LIST = fileURLToPath(new URL('functions.txt', import.meta.url));
const PAIRS = 50;
/** Longer than the outbox rests before it writes all its tables. */
const REST_MS = 3_000;
const INT3 = 0xcc;

const platform = platformHere();
if (platform.name !== 'linux-x64-gnu') {
  console.error(`error: calls are recorded on linux-x64-gnu; this is ${platform.name}`);
  process.exit(1);
}
const library = libraryOf(platform, platform.target, 'dist');
const work = mkdtempSync(join(tmpdir(), 'usb-daemon-order-'));
try {
  const recorded = await record();
  const kept = process.argv.includes('--add') ? readFileSync(LIST, 'utf8').split('\n').filter(Boolean) : [];
  const names = new Set([...kept, ...recorded.map(pattern)]);
  writeFileSync(LIST, `${[...names].join('\n')}\n`);
  console.error(`order: ${recorded.length} functions were called; ${names.size} in ${LIST}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}

/**
 * A name as the linker's script has it. Rust's names have a number for each crate, which every compiler gives anew, and places in the name itself,
 * which shift with it; GCC and LLVM number copies and parts of a function after a point.
 */
function pattern(name) {
  const whole = name.split('.')[0];
  return whole.startsWith('_R') ? whole.replace(/Cs[0-9A-Za-z]+_/g, 'Cs*_').replace(/B[0-9A-Za-z]{1,3}_/g, 'B*_') : whole;
}

async function record() {
  const [program, table, out] = ['first-calls', 'table', 'out'].map((name) => join(work, name));
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, fileURLToPath(new URL('first-calls.c', import.meta.url))], { stdio: 'inherit' });
  writeFileSync(copyPackage(work, platform), withStops(table));
  process.env.BENCH_PACKAGE = work;
  const home = join(work, 'home');
  mkdirSync(home);
  const server = await redisIn(home);
  let bed;
  try {
    bed = await openNamespaceBed({ udevd: true });
    const traced = { spawn: (argv) => bed.spawn([program, table, fileOf(platform), out, ...argv]) };
    const config = await everythingOn(home, server);
    const daemon = await Watched.start(traced, 'usb-daemon', { config });
    await daemon.settle(0);
    await bed.burst({ pairs: PAIRS, entry: 'removed', pause_every: 25, pause_ms: 2 });
    await daemon.settle(2 * PAIRS);
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    const end = await daemon.end();
    if (end.code !== 0) throw new Error(`the daemon did not end well (${JSON.stringify(end)}): ${daemon.stderrText()}`);
  } finally {
    await bed?.close();
    await server.close();
  }
  return readFileSync(out, 'utf8').split('\n').filter(Boolean);
}

/** The library with a stop at the beginning of each function; `table` gets what belongs there. */
function withStops(table) {
  const bytes = readFileSync(library);
  const readelf = (...args) => execFileSync('readelf', ['-W', ...args, library], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const segments = [...readelf('-l').matchAll(/^ +LOAD +(\S+) (\S+) \S+ (\S+)/gm)].map((found) => found.slice(1).map(Number));
  const lines = new Map();
  for (const [, at, size, , name] of readelf('-s').matchAll(/^ +\d+: (\S+) +(\S+) FUNC +(\S+) +\S+ +\d+ (\S+)/gm)) {
    const address = Number.parseInt(at, 16);
    const segment = segments.find(([, start, length]) => address >= start && address < start + length);
    if (Number(size) === 0 || !segment || lines.has(address)) continue;
    const offset = address - segment[1] + segment[0];
    lines.set(address, `${at} ${bytes[offset].toString(16)} ${name}`);
    bytes[offset] = INT3;
  }
  writeFileSync(table, `${[...lines.values()].join('\n')}\n`);
  return bytes;
}
