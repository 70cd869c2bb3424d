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
import { installedSize } from '../peers.mjs';

const run = promisify(execFile);
const checkout = fileURLToPath(new URL('../../', import.meta.url));

/** Context switches of all threads, willing or not. */
async function switchesOf(pid) {
  const folder = `/proc/${pid}/task`;
  const counts = await Promise.all(
    (await readdir(folder)).map(async (thread) => [...(await readFile(`${folder}/${thread}/status`, 'utf8')).matchAll(/ctxt_switches:\s+(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** RSS in KB, without asking the process, who would have to wake up for it. */
export async function rssOf(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))[1]);
}

/** Wake-ups and RSS of all at the same time, each its own process. */
export async function idle(bed, subjects, { seconds, restMs = 3_000 }) {
  const started = {};
  for (const [name, start] of Object.entries(subjects)) started[name] = await start(bed);
  // What a start leaves to be done later is no idling.
  await pause(restMs);
  const all = (measure) => Promise.all(Object.entries(started).map(async ([name, { pid }]) => [name, await measure(pid)]));
  const before = Object.fromEntries(await all(switchesOf));
  await pause(seconds * 1_000);
  const wakeUps = Object.fromEntries((await all(switchesOf)).map(([name, count]) => [name, count - before[name]]));
  const rss = Object.fromEntries(await all(rssOf));
  for (const subject of Object.values(started)) await subject.end();
  return { wakeUps, rss };
}

/** From the start of the process to its word that it listens, in ms. */
export async function startTime(bed, start) {
  const began = performance.now();
  const subject = await start(bed);
  const ms = performance.now() - began;
  await subject.end();
  return ms;
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
