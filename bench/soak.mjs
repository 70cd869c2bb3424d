// Hours in minutes: a million pairs of real uevents through one process with Redis and the outbox on. What grows fails it.
//
//   npm run soak -- [--pairs 20000] [--leak heap|external|descriptors|timers] [--judge COURSE.json] [--folder FOLDER] [--package FOLDER] [--quiet]
//
// `--leak` makes the listener leak: the run must fail then. `--judge` judges a course again that an earlier run has written.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { peerFolder } from './peers.mjs';
import { drawSvg } from './plot.mjs';
import { asText, judged, printed } from './report.mjs';
import { runCourse } from './soak/course.mjs';
import { checksOf } from './soak/judgement.mjs';
import { plotsOf, tablesOf } from './soak/report.mjs';

const MILLION = 1_000_000;
const scratch = fileURLToPath(new URL('../.cache/bench', import.meta.url));

const { values: asked } = parseArgs({
  options: {
    pairs: { type: 'string', default: process.env.SOAK_PAIRS ?? String(MILLION) },
    leak: { type: 'string' },
    judge: { type: 'string' },
    folder: { type: 'string', default: join(scratch, 'results') },
    package: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});

/** Says one sample in ten, and those at which the process is asked. */
function saying() {
  let count = 0;
  const mb = (bytes) => (bytes / (1024 * 1024)).toFixed(1);
  return ({ pairs, rss, settledHeap, descriptors, threads, lag }) => {
    count += 1;
    if (settledHeap === undefined && count % 10 !== 0) return;
    const heap = settledHeap === undefined ? '' : `heap ${mb(settledHeap)} MB, `;
    console.error(`${pairs} pairs: RSS ${mb(rss)} MB, ${heap}${descriptors} descriptors, ${threads} threads, lag ${lag}`);
  };
}

if (asked.package !== undefined) process.env.BENCH_PACKAGE = resolve(asked.package);
const pairs = Number(asked.pairs);
if (!Number.isSafeInteger(pairs) || pairs < 2_000) throw new TypeError(`--pairs ${asked.pairs}: a whole number from 2000`);
const course = asked.judge ? JSON.parse(await readFile(asked.judge, 'utf8')) : await runCourse({ pairs, leak: asked.leak, log: asked.quiet ? undefined : saying() });
const [tables, checks, plots] = [tablesOf(course), judged(checksOf(course)), plotsOf(course)];
for (const table of tables) console.log(`\n${asText(table)}`);
console.log(`\nthreads: ${course.threads.join(', ')}`);
console.log(`\n${printed(checks)}`);

await mkdir(asked.folder, { recursive: true });
// Whoever leaks on purpose does not overwrite what was measured.
const name = asked.leak ? `soak-leak-${asked.leak}` : 'soak';
await writeFile(join(asked.folder, `${name}.json`), `${JSON.stringify({ tables, checks, plots, data: course })}\n`);
if (!asked.judge) await writeFile(join(asked.folder, `${name}-course.json`), JSON.stringify(course));
const modules = await peerFolder(scratch);
for (const { name: plot, spec } of plots) await writeFile(join(asked.folder, `${plot.replace('soak', name)}.svg`), await drawSvg(spec, modules));
if (course.stderr) console.error(course.stderr);

const missed = checks.filter(({ passed }) => !passed);
console.log(`\n${missed.length === 0 ? 'Nothing has grown.' : `${missed.length} of ${checks.length} missed: ${missed.map((check) => check.name).join('; ')}`}`);
process.exitCode = missed.length === 0 ? 0 : 1;
