// Runs the test suites and counts: a suite that ran no test has failed.
//
//   node scripts/test.mjs gate | full | unit | lint | simulated | namespace | kernel

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('..', import.meta.url));

const SUITES = {
  lint: { run: () => command('npm', ['run', '--silent', 'lint']), countless: true },
  unit: { run: cargoTest },
  simulated: { run: () => vitest(filesOf((name) => !/^(namespace|kernel)/.test(name))) },
  namespace: { run: () => vitest(filesOf((name) => name.startsWith('namespace'))) },
  kernel: { run: () => vitest(filesOf((name) => name.startsWith('kernel'))) },
};
const RUNS = {
  gate: { suites: Object.keys(SUITES), env: { USB_DAEMON_CYCLES: process.env.USB_DAEMON_CYCLES ?? '200' } },
  full: { suites: Object.keys(SUITES), env: { USB_DAEMON_CYCLES: process.env.USB_DAEMON_CYCLES ?? '1000', PROPTEST_CASES: '5000', USB_DAEMON_CHAOS_EVENTS: '100000', USB_DAEMON_CHAOS_KILLS: '55', USB_DAEMON_LATENCY_ROUNDS: '20', USB_DAEMON_CONNECTIONS: '10000' } },
  ...Object.fromEntries(Object.keys(SUITES).map((name) => [name, { suites: [name], env: {} }])),
};

/** Test files by their names: those for no bed of their own run with simulated devices. */
function filesOf(isWanted) {
  const names = readdirSync(join(checkout, '__test__')).filter((name) => name.endsWith('.test.mjs'));
  return names.filter(isWanted).map((name) => `__test__/${name}`);
}

async function command(program, args, { capture = false, env = {} } = {}) {
  const stdio = ['ignore', capture ? 'pipe' : 'inherit', 'inherit'];
  const child = spawn(program, args, { cwd: checkout, stdio, env: { ...process.env, ...env } });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    output += text;
    process.stdout.write(text);
  });
  const [code] = await once(child, 'close');
  return { failed: code === 0 ? 0 : 1, passed: 0, output };
}

async function cargoTest() {
  const { failed, output } = await command('cargo', ['test', '--workspace', '--quiet'], { capture: true });
  const results = [...output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)];
  const sum = (at) => results.reduce((total, result) => total + Number(result[at]), 0);
  return { passed: sum(1), failed: Math.max(sum(2), failed) };
}

async function vitest(filters) {
  const folder = await mkdtemp(join(tmpdir(), 'usb-daemon-test-'));
  try {
    const report = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const { failed } = await command('npx', ['--no-install', 'vitest', 'run', ...reporters, ...filters]);
    const { numPassedTests, numFailedTests } = JSON.parse(await readFile(report, 'utf8'));
    return { passed: numPassedTests, failed: Math.max(numFailedTests, failed) };
  } catch (error) {
    console.error(`vitest left no report: ${error.message}`);
    return { passed: 0, failed: 1 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const name = process.argv[2];
const run = RUNS[name];
if (!run) {
  console.error(`error: no suite ${JSON.stringify(name)}: there are ${Object.keys(RUNS).join(', ')}`);
  process.exit(2);
}
Object.assign(process.env, run.env);
const total = { passed: 0, failed: 0 };
for (const suite of run.suites) {
  const { run: start, countless = false } = SUITES[suite];
  const began = performance.now();
  console.log(`\n== ${suite}`);
  const { passed, failed } = await start();
  const empty = !countless && passed + failed === 0;
  if (empty) console.error(`error: suite ${suite} ran no test`);
  total.passed += passed;
  total.failed += failed + Number(empty);
  console.log(`== ${suite}: ${passed} passed, ${failed} failed in ${((performance.now() - began) / 1000).toFixed(0)} s`);
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;
