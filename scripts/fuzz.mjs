// Builds libFuzzer's targets and runs one after another: over the corpus, and then on inputs of libFuzzer's own for so many seconds.
//
//   node scripts/fuzz.mjs [target]... [seconds] [--keep]
//
// Every target for 60 seconds where nothing else is said. What breaks one is left in fuzz/artifacts, to be run again by giving it to
// the program in fuzz/target, or to `cargo fuzz run <target> <file>`. New inputs wait in fuzz/target/found, where the next run goes on;
// --keep takes into fuzz/corpus those of them that come where none has been before. Neither a nightly Rust nor cargo-fuzz is needed:
// the flags that make a program tell libFuzzer where it has been are the stable compiler's. No sanitizer, for no reader has unsafe code;
// scripts/sanitize.sh has the corpus run with one.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const folder = fileURLToPath(new URL('../fuzz/', import.meta.url));
/** What cargo-fuzz gives the compiler, but for the sanitizer. */
const FLAGS = ['-Cpasses=sancov-module', ...['level=4', 'inline-8bit-counters', 'pc-table', 'trace-compares'].map((what) => `-Cllvm-args=-sanitizer-coverage-${what}`), '-Ccodegen-units=1'];
/** The seconds that one input may take, the MB that a program may, and the bytes of an input. */
const BOUNDS = ['-timeout=10', '-rss_limit_mb=2048', '-max_len=65536'];

const { values, positionals } = parseArgs({ allowPositionals: true, options: { keep: { type: 'boolean', default: false } } });
const all = [...readFileSync(join(folder, 'Cargo.toml'), 'utf8').matchAll(/^\[\[bin\]\]\nname = "(.+)"/gm)].map(([, name]) => name);
const numbers = positionals.filter((word) => /^\d+$/.test(word));
const targets = positionals.filter((word) => !numbers.includes(word));
const unknown = targets.find((target) => !all.includes(target));
if (unknown !== undefined || numbers.length > 1) {
  console.error(unknown === undefined ? `error: ${numbers.join(' and ')} seconds: give one number` : `error: no target ${JSON.stringify(unknown)}: there are ${all.join(', ')}`);
  process.exit(2);
}
const seconds = Number(numbers[0] ?? 60);

/** Only with a target named are build scripts and macros left as they are. */
function build() {
  const [, host] = /^host: (.+)$/m.exec(execFileSync('rustc', ['--version', '--verbose'], { encoding: 'utf8' }));
  const args = ['build', '--quiet', '--release', '--locked', '--manifest-path', join(folder, 'Cargo.toml'), '--target', host, '--target-dir', join(folder, 'target')];
  const { status } = spawnSync('cargo', args, { stdio: 'inherit', env: { ...process.env, RUSTFLAGS: FLAGS.join(' ') } });
  if (status !== 0) process.exit(1);
  return (target) => join(folder, 'target', host, 'release', target);
}

/** Runs a target; gives whether nothing broke it. */
function fuzz(target, program) {
  const [corpus, found, artifacts] = ['corpus', 'target/found', 'artifacts'].map((place) => join(folder, place, target));
  for (const place of [corpus, found, artifacts]) mkdirSync(place, { recursive: true });
  // 0 would be for ever: then it is the corpus alone.
  const length = seconds === 0 ? '-runs=0' : `-max_total_time=${seconds}`;
  const { status, stderr } = spawnSync(program, [length, ...BOUNDS, '-print_final_stats=1', `-artifact_prefix=${artifacts}/`, found, corpus], { encoding: 'utf8', stdio: ['ignore', 'inherit', 'pipe'], maxBuffer: 1 << 30 });
  if (status !== 0) {
    // Above all, where it broke.
    console.error(`${stderr.slice(-8000)}\n${target}: BROKEN`);
    return false;
  }
  const executions = /number_of_executed_units: (\d+)/.exec(stderr)?.[1];
  const reached = [...stderr.matchAll(/ cov: (\d+) ft: (\d+) corp: (\d+)/g)].at(-1);
  if (!(Number(executions) > 0) || !reached) {
    console.error(`${stderr.slice(-8000)}\n${target}: ran nothing`);
    return false;
  }
  console.log(`${target}: ${executions} inputs, ${reached[1]} edges reached, ${reached[3]} inputs worth keeping, nothing broken`);
  if (values.keep) execFileSync(program, ['-merge=1', '-use_counters=0', ...BOUNDS, corpus, found], { stdio: ['ignore', 'inherit', 'ignore'] });
  return true;
}

const programOf = build();
const broken = (targets.length > 0 ? targets : all).filter((target) => !fuzz(target, programOf(target)));
console.log(broken.length > 0 ? `broken: ${broken.join(', ')}` : 'no target is broken');
process.exitCode = broken.length > 0 ? 1 : 0;
