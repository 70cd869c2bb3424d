// Measures this package beside its peers:
//
//   npm run bench [-- PART...] [-- --quick] [-- --list] [-- --markdown FILE] [-- --results FOLDER] [-- --parts FOLDER] [-- --package FOLDER]
//
// Prints tables and checks, writes each part's figures as JSON and its plots as SVG into .cache/bench/results, and fails where a check is missed.
// --quick: few rounds, to see that it works; its figures are worth nothing. --parts: from that folder, installing nothing.
// --package: not this checkout, but the package that is installed there.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { asMarkdown, asText, judged, printed } from './report.mjs';
import { machine } from './machine.mjs';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const ORDER = ['latency', 'loads', 'memory', 'scale', 'redis', 'fleet', 'micro', 'kernel'];

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      markdown: { type: 'string' },
      results: { type: 'string' },
      parts: { type: 'string' },
      package: { type: 'string' },
    },
  });
  if (values.package !== undefined) process.env.BENCH_PACKAGE = resolve(values.package);
  const folder = join(checkout, '.cache/bench');
  return { ...values, wanted: positionals, folder, results: resolve(values.results ?? join(folder, 'results')), place: resolve(values.parts ?? join(checkout, 'bench/parts')) };
}

/** Those of the list in its order, then any other. */
function partsIn(place) {
  const there = readdirSync(place).filter((name) => name.endsWith('.mjs')).map((name) => name.slice(0, -'.mjs'.length));
  return [...ORDER.filter((name) => there.includes(name)), ...there.filter((name) => !ORDER.includes(name)).sort()];
}

/** Runs one part and keeps what it found. A part that throws has failed, and the others still run. */
async function runPart(name, { place, folder, results, quick }) {
  const began = machine();
  const { title = name, run } = await import(pathToFileURL(join(place, `${name}.mjs`)));
  console.log(`\n== ${name}: ${title}`);
  try {
    const found = await run({ quick, folder, log: (line) => console.log(`   ${line}`) });
    const { tables = [], plots = [], data } = found;
    const checks = judged(found.checks ?? []);
    const outcome = { part: name, title, quick, began, ended: machine(), tables, checks, data };
    await writeFile(join(results, `${name}.json`), `${JSON.stringify(outcome, (_, value) => (value === Infinity ? 'Infinity' : value), 1)}\n`);
    for (const table of tables) console.log(`\n${asText(table)}`);
    if (checks.length > 0) console.log(`\n${printed(checks)}`);
    outcome.plots = await draw(plots, { folder, results });
    return outcome;
  } catch (error) {
    console.error(`error: part ${name}: ${error.stack ?? error}`);
    return { part: name, title, began, error: String(error.message ?? error) };
  }
}

async function draw(plots, { folder, results }) {
  if (plots.length === 0) return [];
  const [{ drawSvg }, { peerFolder }] = await Promise.all([import('./plot.mjs'), import('./peers.mjs')]);
  const modules = await peerFolder(folder);
  for (const { name, spec } of plots) await writeFile(join(results, `${name}.svg`), await drawSvg(spec, modules));
  console.log(`\nplots: ${plots.map(({ name }) => join(results, `${name}.svg`)).join(', ')}`);
  return plots.map(({ name }) => `${name}.svg`);
}

async function main() {
  const chosen = options();
  const parts = existsSync(chosen.place) ? partsIn(chosen.place) : [];
  if (chosen.list) {
    console.log(parts.join('\n'));
    return 0;
  }
  const unknown = chosen.wanted.filter((name) => !parts.includes(name));
  if (unknown.length > 0 || parts.length === 0) {
    console.error(`error: no part ${JSON.stringify(unknown[0] ?? '')}: there are ${parts.join(', ') || 'none'}`);
    return 2;
  }
  if (chosen.parts === undefined) execFileSync('sh', [join(checkout, 'scripts/setup/bench.sh')], { stdio: ['ignore', 'inherit', 'inherit'] });
  await mkdir(chosen.folder, { recursive: true });
  await mkdir(chosen.results, { recursive: true });
  const outcomes = [];
  for (const name of parts.filter((each) => chosen.wanted.length === 0 || chosen.wanted.includes(each))) outcomes.push(await runPart(name, chosen));
  if (chosen.markdown) await writeFile(chosen.markdown, asMarkdown(outcomes));
  return conclude(outcomes, parts);
}

/** Says in one place what was missed and what was not run. */
function conclude(outcomes, parts) {
  const left = parts.filter((name) => outcomes.every(({ part }) => part !== name));
  const failed = outcomes.filter(({ error }) => error !== undefined);
  const missed = outcomes.flatMap(({ part, checks = [] }) => checks.filter(({ passed }) => !passed).map((check) => ({ ...check, name: `${part}: ${check.name}` })));
  console.log('');
  for (const name of left) console.log(`== ${name}: NOT RUN: npm run bench -- ${name}`);
  for (const { part, error } of failed) console.log(`== ${part}: FAILED: ${error}`);
  if (missed.length > 0) console.log(printed(missed));
  const count = outcomes.reduce((sum, { checks = [] }) => sum + checks.length, 0);
  console.log(`${outcomes.length} parts run, ${failed.length} failed; ${count} checks, ${missed.length} missed`);
  return failed.length > 0 || missed.length > 0 ? 1 : 0;
}

// Parts may leave a socket of a peer's open: nothing is waited for any longer.
main().then(
  (code) => process.exit(code),
  (error) => {
    console.error(`error: ${error.message}`);
    process.exit(error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1);
  },
);
