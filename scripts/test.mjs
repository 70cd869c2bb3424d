// Runs the test suites and counts: a suite that ran no test has failed.
//
//   node scripts/test.mjs gate | full | <suite>...

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('..', import.meta.url));

/** `workers`: so many test files at once, where most of them wait for something most of the time. */
const SUITES = {
  lint: { run: (io) => command('npm', ['run', '--silent', 'lint'], io), countless: true },
  unit: { run: cargoTest },
  simulated: { run: (io) => vitest(filesOf('simulated'), { workers: 3, ...io }) },
  shipped: { run: (io) => vitest(filesOf('shipped'), io) },
  elsewhere: { run: (io) => command('sh', ['scripts/cross/check.sh'], io), countless: true },
  fuzz: { run: (io) => command('npm', ['run', '--silent', 'fuzz', '--', FUZZING_SECONDS], io), countless: true },
  namespace: { run: (io) => vitest(filesOf('namespace'), io) },
  kernel: { run: (io) => vitest(filesOf('kernel'), io) },
  'simulated-alone': { run: (io) => vitest(filesOf('simulated-alone'), io) },
  'kernel-alone': { run: (io) => vitest(filesOf('kernel-alone'), io) },
};
/** What measures time, or must have its turn within a bound; a guest that gets too little of the machine falls behind its own clock. */
const ALONE = ['http', 'lifecycle-blocked', 'specification', 'kernel-cycles', 'kernel-latency'].map((name) => `${name}.test.mjs`);
/** What only the full run does, which sets this variable for it: too long for every change. A run that leaves it out says so. */
const LONG = { 'shipped-targets.test.mjs': 'USB_DAEMON_TARGETS', 'shipped-windows.test.mjs': 'USB_DAEMON_WINDOWS' };
/**
 * The same for whole suites: one type-checks every crate for Windows and macOS, the other builds the core for libFuzzer. The gate has the
 * fuzzers' corpus and what becomes of it by damage, among the unit tests.
 */
const FULL_ONLY = ['elsewhere', 'fuzz'];
/** For each target. */
const FUZZING_SECONDS = '5';
/**
 * Step by step. Each list of a step is worked off in its order, beside the other lists: an emulated kernel keeps one processor busy,
 * and what runs beside it gives way to it.
 */
const stepsWith = (more) => [
  [{ suites: ['kernel', ...more] }, { suites: ['lint', 'unit', 'simulated', 'shipped'], nice: 10 }],
  [{ suites: ['namespace', 'simulated-alone', 'kernel-alone'] }],
];
const RUNS = {
  gate: { steps: stepsWith([]), env: { USB_DAEMON_CYCLES: process.env.USB_DAEMON_CYCLES ?? '100' } },
  full: { steps: stepsWith(FULL_ONLY), env: { USB_DAEMON_CYCLES: process.env.USB_DAEMON_CYCLES ?? '1000', PROPTEST_CASES: '5000', USB_DAEMON_READY_PLUGS: '500', USB_DAEMON_READY_EACH: '100', USB_DAEMON_CHAOS_EVENTS: '100000', USB_DAEMON_CHAOS_KILLS: '55', USB_DAEMON_LATENCY_ROUNDS: '20', USB_DAEMON_CONNECTIONS: '10000', USB_DAEMON_IMAGE: 'whole', USB_DAEMON_TARGETS: '1', USB_DAEMON_WINDOWS: '1' } },
};

/** Test files by their names: `shipped` is what people install; those that name no bed of their own run with simulated devices. */
function filesOf(suite) {
  const bedOf = (name) => /^(shipped|namespace|kernel)/.exec(name)?.[0] ?? 'simulated';
  const suiteOf = (name) => `${bedOf(name)}${ALONE.includes(name) ? '-alone' : ''}`;
  const names = readdirSync(join(checkout, '__test__')).filter((name) => name.endsWith('.test.mjs'));
  const own = names.filter((name) => suiteOf(name) === suite);
  const leftOut = own.filter((name) => Object.hasOwn(LONG, name) && !process.env[LONG[name]]);
  for (const name of leftOut) console.log(`== ${suite}: NOT RUN: ${name}, which npm run test:full does (or ${LONG[name]}=1)`);
  return own.filter((name) => !leftOut.includes(name)).map((name) => `__test__/${name}`);
}

/** Runs a program to its end. With `prefix`, that stands before each line of its output. */
async function command(program, args, { capture = false, prefix, nice } = {}) {
  const argv = nice ? ['nice', '-n', String(nice), program, ...args] : [program, ...args];
  const stdio = ['ignore', capture || prefix ? 'pipe' : 'inherit', prefix ? 'pipe' : 'inherit'];
  const child = spawn(argv[0], argv.slice(1), { cwd: checkout, stdio });
  const output = [];
  for (const [from, to] of [[child.stdout, process.stdout], [child.stderr, process.stderr]]) {
    if (!from) continue;
    createInterface({ input: from }).on('line', (line) => {
      if (from === child.stdout) output.push(line);
      to.write(`${prefix ?? ''}${line}\n`);
    });
  }
  const [code] = await once(child, 'close');
  return { failed: code === 0 ? 0 : 1, passed: 0, output: output.join('\n') };
}

async function cargoTest(io) {
  // The test bed makes devices in a namespace of Linux.
  const leftOut = process.platform === 'linux' ? [] : ['--exclude', 'usb-testbed'];
  const { failed, output } = await command('cargo', ['test', '--workspace', ...leftOut, '--quiet'], { capture: true, ...io });
  const results = [...output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)];
  const sum = (at) => results.reduce((total, result) => total + Number(result[at]), 0);
  const failures = [...output.matchAll(/^---- (.+) stdout ----$/gm)].map(([, name]) => name);
  return { passed: sum(1), failed: Math.max(sum(2), failed), failures };
}

async function vitest(filters, { workers, ...io }) {
  const folder = await mkdtemp(join(tmpdir(), 'usb-daemon-test-'));
  try {
    const report = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const parallel = workers ? ['--fileParallelism', `--maxWorkers=${workers}`] : [];
    const { failed } = await command('npx', ['--no-install', 'vitest', 'run', ...reporters, ...parallel, ...filters], io);
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(await readFile(report, 'utf8'));
    return { passed: numPassedTests, failed: Math.max(numFailedTests, failed), failures: testResults.flatMap(failuresOf) };
  } catch (error) {
    console.error(`vitest left no report: ${error.message}`);
    return { passed: 0, failed: 1 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What failed in a test file: its tests, or the file itself, each with the first lines of what was said. */
function failuresOf({ name, status, message, assertionResults }) {
  const tests = assertionResults.filter((test) => test.status === 'failed');
  const said = (text) => String(text ?? '').split('\n').slice(0, 4).join('\n      ');
  if (tests.length > 0) return tests.map((test) => `${relative(checkout, name)}: ${test.fullName}\n      ${said(test.failureMessages[0])}`);
  return status === 'failed' ? [`${relative(checkout, name)}: ${said(message)}`] : [];
}

const total = { passed: 0, failed: 0, failures: [] };

/** Runs a suite, says how it went, and counts. */
async function runSuite(suite, io) {
  const { run, countless = false } = SUITES[suite];
  const began = performance.now();
  console.log(`\n== ${suite}`);
  const { passed, failed, failures = [] } = await run(io);
  const empty = !countless && passed + failed === 0;
  if (empty) console.error(`error: suite ${suite} ran no test`);
  if (failed > 0 || empty) total.failures.push(...(failures.length > 0 ? failures : [empty ? 'ran no test' : 'failed']).map((failure) => `${suite}: ${failure}`));
  total.passed += passed;
  total.failed += failed + Number(empty);
  console.log(`== ${suite}: ${passed} passed, ${failed} failed in ${((performance.now() - began) / 1000).toFixed(0)} s`);
}

/** Runs the lists of suites of one step beside each other. */
async function runStep(lists) {
  await Promise.all(
    lists.map(async ({ suites, nice }) => {
      for (const suite of suites) await runSuite(suite, { nice, prefix: lists.length > 1 ? `${suite}: ` : undefined });
    }),
  );
}

const names = process.argv.slice(2);
const unknown = names.filter((name) => !Object.hasOwn(SUITES, name) && !(names.length === 1 && Object.hasOwn(RUNS, name)));
if (names.length === 0 || unknown.length > 0) {
  console.error(`error: no suite ${JSON.stringify(unknown[0] ?? '')}: there are ${[...Object.keys(RUNS), ...Object.keys(SUITES)].join(', ')}`);
  process.exit(2);
}
const { steps, env } = Object.hasOwn(RUNS, names[0]) ? RUNS[names[0]] : { steps: [[{ suites: names }]], env: {} };
Object.assign(process.env, env);
if (names[0] === 'gate') for (const suite of FULL_ONLY) console.log(`== ${suite}: NOT RUN: npm run test:full does (or node scripts/test.mjs ${suite})`);
for (const step of steps) await runStep(step);
// Once more, at the end: what is kept of a long run's output is often its last part only.
if (total.failures.length > 0) console.log(`\n== what failed\n${total.failures.map((failure) => `  ${failure}`).join('\n')}`);
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;
