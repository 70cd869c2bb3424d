// The examples, as somebody would run them, on a USB tree with real uevents.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { Program } from './beds/namespace/program.mjs';
import { finished, stateFolder } from './command.mjs';
import { packageRoot } from './daemon.mjs';
import { startRedis } from './redis-server.mjs';
import { until } from './until.mjs';

const SERIAL = { kind: 'serial', controller: 0, port: '3' };
const MOUSE = { kind: 'mouse', controller: 0, port: '2' };
const example = (name) => join(packageRoot, 'examples', name);

let bed;
beforeEach(async () => {
  bed = await openNamespaceBed({ controllers: 1 });
});
afterEach(() => bed.close());

function start(file, args = [], options = {}) {
  return bed.spawn([process.execPath, file, ...args], options);
}

async function endsWell(program) {
  program.kill('SIGTERM');
  expect(await program.exit).toMatchObject({ code: 0 });
  expect(program.stderrText()).toBe('');
}

it('has a test for each example, and a line in their README', () => {
  const names = readdirSync(join(packageRoot, 'examples')).filter((name) => name !== 'README.md');
  const readme = readFileSync(example('README.md'), 'utf8');
  const tests = readFileSync(new URL(import.meta.url), 'utf8');
  expect(names.filter((name) => !readme.includes(`examples/${name}`) || !tests.includes(`'${name}'`))).toEqual([]);
  expect(names.length).toBeGreaterThan(3);
});

it('watch.mjs prints what is there, what comes and what goes', async () => {
  const program = start(example('watch.mjs'));
  await program.waitForLine((line) => /^attach 1d6b:0002 port 0 .* startup$/.test(line));
  const mouse = await bed.plug(MOUSE);
  await program.waitForLine((line) => /^attach 0627:0001 port 2 QEMU USB Mouse/.test(line));
  await bed.unplug(mouse);
  await program.waitForLine((line) => line.startsWith('detach 0627:0001'));
  await endsWell(program);
});

it('plugin-loader.mjs starts and stops plugins by their manifests', async () => {
  const serial = await bed.plug(SERIAL);
  const program = start(example('plugin-loader.mjs'));
  await program.waitForLine((line) => line.startsWith('start serial adapters: 0403:6001'));
  await bed.plug(MOUSE);
  await program.waitForLine((line) => line.startsWith('start keyboards and mice: 0627:0001'));
  await bed.unplug(serial);
  await program.waitForLine((line) => line.startsWith('stop serial adapters: 0403:6001'));
  await endsWell(program);
});

it('wait-for-device.mjs ends once the device is there', async () => {
  const program = start(example('wait-for-device.mjs'), ['0403']);
  await bed.plug(SERIAL);
  expect(await program.waitForLine(() => true)).toBe('QEMU USB SERIAL at port 3');
  expect(await program.exit).toMatchObject({ code: 0 });
});

it('consumer.mjs handles what is in the stream, and finishes what it has in hand', async () => {
  const server = await startRedis();
  onTestFinished(() => server.close());
  const env = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(server.port) };
  // Not in the bed: its network is its own.
  const program = new Program(process.execPath, [example('consumer.mjs')], { env });
  await until(async () => (await server.client.xinfo('GROUPS', 'aw:hotplug').catch(() => [])).length > 0, 'the group');
  expect((await finished(['simulate', '--count', '1'], { env })).code).toBe(0);
  await program.waitForLine((line) => /^\S+:1 attach 0409:55aa/.test(line));
  await program.waitForLine((line) => /^\S+:8 detach 0409:55aa/.test(line));
  await endsWell(program);
});

it('history.mts goes on where it has left off', async () => {
  const folder = stateFolder();
  const tsc = [join(packageRoot, 'node_modules/.bin/tsc'), '--module', 'nodenext', '--target', 'es2022', '--strict', '--types', 'node'];
  // Beside the sources of the package, whose name it imports.
  const compiled = join(packageRoot, 'examples', 'history.mjs');
  onTestFinished(() => execFileSync('rm', ['-f', compiled]));
  execFileSync(process.execPath, [...tsc, example('history.mts')], { cwd: packageRoot });
  const first = start(compiled, [folder]);
  await first.waitForLine((line) => / attach 1d6b:0002/.test(line));
  const mouse = await bed.plug(MOUSE);
  const came = await first.waitForLine((line) => line.includes(' attach 0627:0001'));
  await endsWell(first);
  await bed.unplug(mouse);
  const second = start(compiled, [folder]);
  const next = await second.waitForLine((line) => line.includes('0627:0001'));
  expect(next).toContain(' detach 0627:0001');
  expect(next).toContain('missed-while-down');
  expect(next).not.toBe(came);
  await endsWell(second);
});
