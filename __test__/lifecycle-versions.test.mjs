// The package under other runtimes than the one that runs the tests: each Node that it promises, and Bun.
// scripts/setup/node-versions.sh gets them.

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { command, stateFolder } from './command.mjs';
import { packageRoot } from './daemon.mjs';
import { program, script } from './lifecycle/program.mjs';
import { fieldsOf, freePort, startRedis } from './redis-server.mjs';

const GET_THEM = 'run sh scripts/setup/node-versions.sh';
const PROMISED = { node: ['20', '22', '24'], bun: ['1'] };

/** Versions of a runtime that are there, as { name, version, path }. */
function found(name) {
  const folder = join(packageRoot, '.cache', name);
  const versions = existsSync(folder) ? readdirSync(folder) : [];
  return versions.map((version) => ({ name, version, path: join(folder, version, 'bin', name) }));
}

/** What smoke.cjs prints where all of it works. */
const STEPS = [
  { step: 'started', value: true },
  { step: 'attach', value: [0x1234, 0xabcd, 'S1', 'simulated'] },
  { step: 'detach', value: true },
  { step: 'events', value: ['attach', 'detach'] },
  { step: 'handleDeviceAttach', value: [['Keyboard', 7]] },
  { step: 'handleDeviceDetach', value: 0 },
  { step: 'published', value: ['attach 1', 'detach 2', 'attach 3', 'detach 4'] },
  { step: 'getRecentEvents', value: 4 },
  { step: 'refusal', value: [true, 'ERR_USB_CONFIG'] },
  { step: 'stopped', value: [false, 0] },
];

/** What rest.cjs prints where all of it works. */
const REST = [
  { step: 'waitFor', value: 'Mouse' },
  { step: 'waitFor in vain', value: 'ERR_USB_TIMEOUT' },
  { step: 'clone', value: '1' },
  { step: 'next', value: 'attach' },
  { step: 'aborted', value: true },
  { step: 'since', value: 1 },
  { step: 'dispatch', value: ['Mouse', 'left'] },
  { step: 'connectedDevices', value: [true, 'TypeError'] },
  { step: 'consumer', value: [['attach', 'detach'], true] },
  { step: 'again', value: true },
  { step: 'http', value: [200, 'healthy'] },
  { step: 'disposed', value: false },
  { step: 'usb', value: [true, 9] },
  { step: 'usb transfer', value: 'ERR_USB_NO_TRANSFER' },
  { step: 'worker', value: ['Mouse', 0] },
  { step: 'warning', value: 'USB_CONFIG' },
  { step: 'publisher', value: 1 },
];

async function server() {
  const started = await startRedis();
  onTestFinished(() => started.close());
  return started;
}

const QUIET = "{ sources: ['simulated'], redis: false, monitoring: { enabled: false } }";
/** Runs a program in `runtime` that has a USBDaemon, `daemon`. */
function withDaemon({ path }, text) {
  const head = `const USBDaemon = require(${JSON.stringify(packageRoot)}); const daemon = new USBDaemon(${QUIET});`;
  return program(['-e', head + text], { runtime: path });
}

for (const [name, majors] of Object.entries(PROMISED)) {
  it(`each ${name} that is promised is here: ${majors.join(', ')}`, () => {
    const missing = majors.filter((major) => !found(name).some(({ version, path }) => version.split('.')[0] === major && existsSync(path)));
    expect(missing, `${name} ${missing.join(', ')} missing: ${GET_THEM}`).toEqual([]);
  });
}

for (const runtime of [...found('node'), ...found('bun')]) {
  describe(`${runtime.name} ${runtime.version}`, () => {
    it('is that version', async () => {
      const { lines } = await program(['--version'], { runtime: runtime.path });
      expect(lines[0].replace(/^v/, '')).toBe(runtime.version);
    });

    it('runs a program that uses most of the package, which publishes and ends by itself', async () => {
      const redis = await server();
      const { code, signal, stderr, lines } = await script('smoke.cjs', [redis.port], { runtime: runtime.path });
      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
      expect(lines).toEqual(STEPS);
      const entries = (await redis.entries()).map(fieldsOf);
      expect(entries.map(({ action, vendor_id, backend }) => `${action} ${vendor_id} ${backend}`)).toEqual([
        'attach 1234 simulated',
        'detach 1234 simulated',
        'attach 46d injected',
        'detach 46d injected',
      ]);
    });

    it('runs a program that uses the rest of it: iterators, dispatch, a consumer, HTTP, the entry /usb, a worker', async () => {
      const redis = await server();
      const { code, signal, stderr, lines } = await script('rest.cjs', [redis.port, await freePort()], { runtime: runtime.path });
      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
      expect(lines).toEqual(REST);
    });

    it('runs the command line, which reads its configuration again at SIGHUP and ends well at SIGTERM', async () => {
      const file = join(stateFolder(), 'config.json');
      writeFileSync(file, '{}');
      const run = command(['--simulate', '--no-redis', '--no-http', '--json', '--config', file], { runtime: runtime.path });
      await run.stdout.waitFor(/"type":"attach"/);
      run.kill('SIGHUP');
      await run.stdout.waitFor(/"state":"reloaded"/);
      expect(await run.end()).toEqual({ code: 0, signal: null });
    });

    it('imports the package as ESM, the default export being the class', async () => {
      const at = JSON.stringify(join(packageRoot, 'index.mjs'));
      const text = `import(${at}).then((all) => console.log(all.default === all.USBDaemon, typeof all.defaultConfig))`;
      expect(await program(['-e', text], { runtime: runtime.path })).toMatchObject({ code: 0, lines: ['true object'] });
    });

    it('ends a process with 1 for a listener that throws, after the others have got theirs', async () => {
      const ended = await withDaemon(runtime, `
        daemon.on('device:attach', () => { throw new Error('of the listener'); });
        daemon.on('device:attach', () => console.log('second'));
        daemon.start().then(() => daemon.simulateAttach({ name: '201-1' }));
      `);
      expect(ended).toMatchObject({ code: 1, signal: null, stderr: expect.stringContaining('of the listener'), lines: ['second'] });
    });

    it('is held by a daemon, let go by unref, and ended by process.exit() in the midst of events', async () => {
      const held = await withDaemon(runtime, `
        daemon.on('device:attach', () => { console.log('held'); daemon.stop(); });
        daemon.start().then(() => {
          require('node:child_process').spawn('sleep', ['0.2'], { stdio: 'ignore' }).on('exit', () => daemon.simulateAttach({ name: '201-1' })).unref();
        });
      `);
      expect(held).toEqual({ code: 0, signal: null, stderr: '', lines: ['held'] });
      const free = await withDaemon(runtime, `daemon.start().then(() => { daemon.unref(); console.log(daemon.isRunning); });`);
      expect(free).toEqual({ code: 0, signal: null, stderr: '', lines: ['true'] });
      const exited = await withDaemon(runtime, `
        daemon.on('device:detach', () => process.exit(7));
        daemon.start().then(() => {
          for (let at = 0; at < 1000; at += 1) {
            daemon.simulateAttach({ name: '201-1' });
            daemon.simulateDetach('201-1');
          }
        });
      `);
      expect(exited).toEqual({ code: 7, signal: null, stderr: '', lines: [] });
    });

    it('outlives workers that are terminated with a busy daemon, and nothing of these is left', async () => {
      const redis = await server();
      const config = { redis: { host: '127.0.0.1', port: redis.port }, sources: { simulated: true }, monitoring: { enabled: false } };
      const { code, signal, stderr, lines } = await script('worker-churn.cjs', [12, JSON.stringify(config)], { runtime: runtime.path, flags: ['--expose-gc'] });
      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
      expect(lines).toHaveLength(12);
      expect(lines.map(({ threads }) => threads)).toEqual(lines.map(() => []));
      expect(lines.at(-1).descriptors).toBe(lines[3].descriptors);
    });
  });
}
