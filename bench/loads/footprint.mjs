// What a subject takes when nothing happens: wake-ups, memory, its start, its place on the disk.

import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fileOf, platformHere } from '../../scripts/addons.mjs';
import { openNamespaceBed } from '../../__test__/beds/namespace/index.mjs';
import { median } from '../figures.mjs';
import { installedSize } from '../peers.mjs';
import { startSubject } from '../subject.mjs';
import { NODE, inTurns } from '../subjects.mjs';

export const IDLE_SECONDS = 30;

const run = promisify(execFile);
const checkout = fileURLToPath(new URL('../../', import.meta.url));

/** Context switches, willing or not, by thread. */
async function switchesOf(pid) {
  const folder = `/proc/${pid}/task`;
  // A thread may end meanwhile.
  const statusOf = (thread) => readFile(`${folder}/${thread}/status`, 'utf8').catch(() => '');
  const switches = (status) => [...status.matchAll(/ctxt_switches:\s+(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  return new Map(await Promise.all((await readdir(folder)).map(async (thread) => [thread, switches(await statusOf(thread))])));
}

/** Of the threads that are there now: one that has ended has taken its count along, and wakes up no more. */
const since = (before, now) => [...now].reduce((sum, [thread, count]) => sum + Math.max(0, count - (before.get(thread) ?? 0)), 0);

/** RSS in KB, without asking the process, who would have to wake up for it. */
async function rssOf(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))[1]);
}

/** Wake-ups and RSS of all at the same time, each its own process. */
async function idle(bed, subjects, { seconds, restMs = 12_000 }) {
  const started = {};
  for (const [name, start] of Object.entries(subjects)) started[name] = await start(bed);
  // What a start leaves to be done later is no idling: that of readiness is over after ready.timeout_ms, which is 10 s.
  await pause(restMs);
  const all = (measure) => Promise.all(Object.entries(started).map(async ([name, { pid }]) => [name, await measure(pid)]));
  const before = Object.fromEntries(await all(switchesOf));
  await pause(seconds * 1_000);
  const wakeUps = Object.fromEntries((await all(switchesOf)).map(([name, now]) => [name, since(before[name], now)]));
  const rss = Object.fromEntries(await all(rssOf));
  for (const subject of Object.values(started)) await subject.end();
  return { wakeUps, rss };
}

/**
 * From where its program asks for what it listens with to its word that it listens, in ms. Node's own start before that takes 100 to 150 ms here, as the machine likes:
 * with it, the median of 15 turns said anything from 13 to 27 for one and the same package.
 */
async function startTime(bed, start) {
  const subject = await start(bed);
  await subject.end();
  return subject.startMs;
}

/** Start, wake-ups and memory of all, beside those of bare Node, in a bed in which nothing happens. */
export async function atRest(subjects, { quick }) {
  const bed = await openNamespaceBed({ udevd: true });
  try {
    const all = { [NODE]: (inBed) => startSubject(inBed, 'node', {}), ...subjects };
    const starts = await inTurns(quick ? 5 : 31, all, (_, start) => startTime(bed, start));
    const above = Object.fromEntries(Object.keys(subjects).map((name) => [name, median(starts[name].map((ms, turn) => ms - starts[NODE][turn]))]));
    const seconds = quick ? 10 : IDLE_SECONDS;
    return { starts, above, seconds, ...(await idle(bed, all, { seconds })) };
  } finally {
    await bed.close();
  }
}

/** Ours is packed from this checkout: with the addon of dist, which is the one that is shipped, where there is one. */
export async function installSizes(folder, peers) {
  const sizes = {};
  for (const [name, packages] of Object.entries(peers)) sizes[name] = await installedSize(folder, packages);
  const here = platformHere();
  const shipped = existsSync(join(checkout, 'dist/addons', fileOf(here)));
  const work = await mkdtemp(join(tmpdir(), 'usb-daemon-sizes-'));
  try {
    await mkdir(join(work, 'addons'));
    await copyFile(join(checkout, shipped ? 'dist/addons' : 'js', fileOf(here)), join(work, 'addons', fileOf(here)));
    const { stdout } = await run(process.execPath, [join(checkout, 'scripts/pack.mjs'), '--addons', join(work, 'addons'), '--into', join(work, 'npm'), '--any-size']);
    if (!stdout.includes('2 packages')) throw new Error(`packed otherwise than expected: ${stdout}`);
    const tarballs = (await readdir(join(work, 'npm'))).map((file) => join(work, 'npm', file));
    return { ours: { ...(await installedSize(work, tarballs).catch(retold)), shipped }, ...sizes };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function retold(error) {
  throw new Error(`our own packages cannot be installed: ${error.stderr || error.message}`);
}
