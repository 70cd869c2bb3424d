// A daemon's life in its host process: start, stop, listeners that throw, workers that are ended, and when the process ends.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cycle, openDaemon, packageRoot, USBDaemon } from './daemon.mjs';
import { freePort, startRedis } from './redis-server.mjs';

/** Runs a program that has USBDaemon and QUIET; gives how it ended and what it printed. */
async function program(text, { args = [] } = {}) {
  const head = `
    const USBDaemon = require(${JSON.stringify(packageRoot)});
    const QUIET = { sources: ['simulated'], redis: false, monitoring: { enabled: false } };
  `;
  const child = spawn(process.execPath, ['-e', head + text, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (part) => (stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part) => (stderr += part));
  const [code, signal] = await once(child, 'close');
  return { code, signal, stdout, stderr };
}

describe('start and stop', () => {
  it('called again are the same start and the same stop', async () => {
    const daemon = openDaemon();
    const starts = [daemon.start(), daemon.start()];
    expect(starts[0]).toBe(starts[1]);
    await Promise.all(starts);
    await daemon.start();
    expect(daemon.isRunning).toBe(true);
    await Promise.all([daemon.stop(), daemon.stop()]);
    await daemon.stop();
    expect(daemon.isRunning).toBe(false);
    expect(daemon.heard.of('started')).toHaveLength(1);
    expect(daemon.heard.of('stopped')).toHaveLength(1);
  });

  it('may come in turn, again and again, with the same listeners', async () => {
    const daemon = openDaemon();
    for (let round = 1; round <= 10; round += 1) {
      await daemon.start();
      daemon.simulateAttach({ name: '201-1' });
      await daemon.heard.waitFor('device:attach', { count: round });
      expect(daemon.getConnectedDevices()).toHaveLength(1);
      await daemon.stop();
      expect(daemon.getConnectedDevices()).toEqual([]);
    }
    expect(daemon.heard.of('device:detach')).toEqual([]);
  });

  it('are what isRunning tells of: not before the one has come about, nor once the other is called', async () => {
    const daemon = openDaemon();
    const started = daemon.start();
    expect(daemon.isRunning).toBe(false);
    await started;
    const stopped = daemon.stop();
    expect([daemon.isRunning, daemon.getStats().isRunning]).toEqual([false, false]);
    const again = daemon.start();
    await stopped;
    expect(daemon.isRunning).toBe(false);
    await again;
    expect(daemon.isRunning).toBe(true);
    await daemon.stop();
    const seen = [];
    daemon.on('started', () => seen.push(daemon.isRunning));
    daemon.start();
    daemon.stop();
    await daemon.start();
    expect(seen).toEqual([false, true]);
  });

  it('take effect in the order in which they are called', async () => {
    const daemon = openDaemon();
    daemon.start();
    daemon.stop();
    await daemon.start();
    expect(daemon.isRunning).toBe(true);
    daemon.stop();
    daemon.start();
    await daemon.stop();
    expect(daemon.isRunning).toBe(false);
    const order = daemon.heard.all.map(({ event }) => event).filter((event) => event === 'started' || event === 'stopped');
    expect(order).toEqual(['started', 'stopped', 'started', 'stopped', 'started', 'stopped']);
  });

  it('stop before any start is nothing', async () => {
    const daemon = openDaemon();
    await daemon.stop();
    expect(daemon.heard.all).toEqual([]);
  });

  it('what is asked of a daemon that does not run is refused by code', async () => {
    const daemon = openDaemon();
    const refused = expect.objectContaining({ code: 'ERR_USB_NOT_RUNNING' });
    expect(() => daemon.simulateAttach({ name: '201-1' })).toThrow(refused);
    await daemon.start();
    await daemon.stop();
    expect(() => daemon.simulateDetach('201-1')).toThrow(refused);
  });

  it('a port that is no text is refused by code', () => {
    const daemon = openDaemon();
    for (const port of [Object.create(null), Symbol('port'), undefined, 7]) {
      expect(() => daemon.simulateDetach(port)).toThrow(expect.objectContaining({ code: 'ERR_USB_DEVICE', message: expect.stringMatching(/^port is .*: expected the name of a port/) }));
    }
  });

  it('a start that fails may be tried again', async () => {
    const { code, stdout, stderr } = await program(`
      const { openSync, closeSync } = require('node:fs');
      const daemon = new USBDaemon(QUIET);
      const open = [];
      try {
        for (;;) open.push(openSync('/dev/null'));
      } catch {}
      (async () => {
        const failed = await daemon.start().catch((error) => error);
        console.log(failed.code, daemon.isRunning);
        await daemon.stop();
        const again = await daemon.start().catch((error) => error);
        console.log(again.code, daemon.isRunning);
        for (const fd of open) closeSync(fd);
        await daemon.start();
        console.log(daemon.isRunning);
        await daemon.stop();
      })();
    `);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe('ERR_USB_SYSTEM false\nERR_USB_SYSTEM false\ntrue\n');
  });

  it('of two daemons in one process do not touch each other', async () => {
    const [first, second] = [openDaemon(), openDaemon()];
    await Promise.all([first.start(), second.start()]);
    first.simulateAttach({ name: '201-1' });
    await first.heard.waitFor('device:attach');
    await first.stop();
    second.simulateAttach({ name: '201-2' });
    await second.heard.waitFor('device:attach');
    expect(first.heard.of('device:attach')).toHaveLength(1);
    expect(second.getConnectedDevices().map(({ location }) => location.portPath)).toEqual(['2']);
  });
});

describe('listeners', () => {
  it('that throw take no event from others, and are uncaught exceptions', async () => {
    const { code, stdout, stderr } = await program(`
      const daemon = new USBDaemon(QUIET);
      const caught = [];
      const seen = [];
      process.on('uncaughtException', (error) => caught.push(error.message));
      daemon.on('device:attach', () => { throw new Error('mine'); });
      daemon.on('device:attach', () => seen.push('second'));
      daemon.once('device:attach', () => seen.push('once'));
      daemon.on('device:detach', () => {
        seen.push('detach');
        daemon.stop().then(() => console.log(JSON.stringify({ seen, caught })));
      });
      daemon.start().then(() => {
        daemon.simulateAttach({ name: '201-1' });
        daemon.simulateAttach({ name: '201-2' });
        daemon.simulateDetach('201-1');
      });
    `);
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual({ seen: ['second', 'once', 'second', 'detach'], caught: ['mine', 'mine'] });
  });

  it('that throw end a process that does not handle that, with their own error', async () => {
    const { code, stderr } = await program(`
      const daemon = new USBDaemon(QUIET);
      daemon.on('device:attach', function mine() { throw new Error('of the listener'); });
      daemon.start().then(() => daemon.simulateAttach({ name: '201-1' }));
    `);
    expect(code).toBe(1);
    expect(stderr).toContain('Error: of the listener');
    expect(stderr).toContain('at USBDaemon.mine');
  });

  it('that change what they are given take no event from anybody', async () => {
    const daemon = openDaemon();
    daemon.on('device:attach', (info) => { for (const key of Object.keys(info)) delete info[key]; });
    await daemon.start();
    const events = daemon.events();
    cycle(daemon, 1000);
    await daemon.heard.waitFor('device:detach', { count: 500 });
    const names = [];
    for await (const { type, seq, eventId } of events) {
      names.push([type, seq, eventId.endsWith(`:${seq}`)]);
      if (names.length === 1000) break;
    }
    expect(names).toEqual(Array.from({ length: 1000 }, (_, at) => [at % 2 ? 'detach' : 'attach', at + 1, true]));
    await daemon.stop();
  });

  it('are not all that may fail: whatever does takes nothing from what follows', async () => {
    const { code, stdout, stderr } = await program(`
      const daemon = new USBDaemon(QUIET);
      let caught = 0;
      process.on('uncaughtException', () => (caught += 1));
      const { rawListeners } = daemon;
      daemon.rawListeners = (event) => {
        if (event === 'device:attach') throw new Error('mine');
        return rawListeners.call(daemon, event);
      };
      let seen = 0;
      daemon.on('device:detach', () => {
        seen += 1;
        if (seen === 1000) daemon.stop().then(() => console.log(seen, caught));
      });
      daemon.start().then(() => {
        for (let at = 0; at < 1000; at += 1) {
          daemon.simulateAttach({ name: '201-1' });
          daemon.simulateDetach('201-1');
        }
      });
    `);
    expect([code, stderr, stdout]).toEqual([0, '', '1000 1000\n']);
  });

  it('are all the user\'s own, and those for event:published are heard whenever they come', async () => {
    const server = await startRedis();
    onTestFinished(() => server.close());
    const daemon = new USBDaemon({ sources: ['simulated'], redis: { port: server.port }, monitoring: { enabled: false } });
    onTestFinished(() => daemon.stop());
    expect(daemon.eventNames()).toEqual([]);
    await daemon.start();
    for (const [at, add] of ['on', 'once', 'addListener', 'prependListener', 'prependOnceListener'].entries()) {
      daemon.removeAllListeners();
      await daemon.stop();
      await daemon.start();
      const published = new Promise((resolve) => daemon[add]('event:published', resolve));
      daemon.simulateAttach({ name: `201-${at + 1}` });
      expect((await published).action, add).toBe('attach');
    }
  });

  it('are not needed for errors: without one the process goes on', async () => {
    const { code, stdout, stderr } = await program(`
      const { createServer } = require('node:net');
      const { errorMonitor } = require('node:events');
      const other = createServer().listen(0, '127.0.0.1', async () => {
        const daemon = new USBDaemon({ ...QUIET, monitoring: { enabled: true, healthcheck_port: other.address().port } });
        daemon.once(errorMonitor, async (error, context) => {
          console.log(error.code, context);
          await daemon.stop();
          other.close();
        });
        await daemon.start();
      });
    `);
    expect([code, stderr, stdout]).toEqual([0, '', 'ERR_USB_PORT http\n']);
  });
});

describe('the process', () => {
  it('has no thread more for a daemon that has not been started', async () => {
    const count = `console.log(require('node:fs').readdirSync('/proc/self/task').length)`;
    const bare = execFileSync(process.execPath, ['-e', count], { encoding: 'utf8' });
    expect(await program(`new USBDaemon(QUIET); ${count}`)).toMatchObject({ stdout: bare, stderr: '' });
  });

  it('stays alive while the daemon is started, and ends by itself after stop', async () => {
    const { code, stdout } = await program(`
      const daemon = new USBDaemon(QUIET);
      daemon.on('device:attach', ({ location }) => {
        console.log(location.portPath);
        daemon.stop();
      });
      daemon.start().then(() => {
        // Nothing of JavaScript's holds the process from here on but the daemon; a thread of another process wakes it.
        require('node:child_process').spawn('sleep', ['0.2'], { stdio: 'ignore' }).on('exit', () => daemon.simulateAttach({ name: '201-1' })).unref();
      });
    `);
    expect([code, stdout]).toEqual([0, '1\n']);
  });

  it('ends by itself after stop though Redis is away and events wait', async () => {
    const { code, stderr } = await program(
      `
        const redis = { host: '127.0.0.1', port: Number(process.argv[1]) };
        const daemon = new USBDaemon({ ...QUIET, redis, shutdown_ms: 100 });
        daemon.on('device:attach', () => daemon.stop());
        daemon.start().then(() => daemon.simulateAttach({ name: '201-1' }));
      `,
      { args: [String(await freePort())] },
    );
    expect([code, stderr]).toEqual([0, '']);
  });

  it('is let end by unref, with the daemon still running', async () => {
    for (const order of ['daemon.unref(); daemon.start()', 'daemon.start().then(() => daemon.unref())']) {
      const { code, stderr } = await program(`
        const daemon = new USBDaemon({ ...QUIET, sources: undefined });
        ${order};
      `);
      expect([code, stderr]).toEqual([0, '']);
    }
  });

  it('is held by a start, also of a daemon that does not hold it otherwise', async () => {
    for (const order of ['daemon.unref(); await daemon.start()', 'const started = daemon.start(); daemon.unref(); await started']) {
      const { code, stdout, stderr } = await program(`
        (async () => {
          const daemon = new USBDaemon({ ...QUIET, sources: undefined });
          ${order};
          console.log(daemon.isRunning);
        })();
      `);
      expect([code, stderr, stdout]).toEqual([0, '', 'true\n']);
    }
    const { code, stdout } = await program(
      `USBDaemon.createUSBDaemon({ ...QUIET, outbox: { path: '/proc/none/outbox.db', required: true } }).catch((error) => console.log(error.code));`,
    );
    expect([code, stdout]).toEqual([0, 'ERR_USB_OUTBOX\n']);
  });

  it('is held again by ref', async () => {
    const { code, stdout } = await program(`
      const daemon = new USBDaemon(QUIET).unref().ref();
      daemon.on('device:attach', () => { console.log('held'); daemon.stop(); });
      daemon.start().then(() => {
        require('node:child_process').spawn('sleep', ['0.2'], { stdio: 'ignore' }).on('exit', () => daemon.simulateAttach({ name: '201-1' })).unref();
      });
    `);
    expect([code, stdout]).toEqual([0, 'held\n']);
  });

  it('ends at process.exit() in the midst of events, with its own code', async () => {
    const { code, signal, stderr } = await program(`
      const daemon = new USBDaemon({ ...QUIET, sources: undefined });
      const simulated = new USBDaemon(QUIET);
      simulated.on('device:detach', () => process.exit(7));
      Promise.all([daemon.start(), simulated.start()]).then(() => {
        for (let at = 0; at < 1000; at += 1) {
          simulated.simulateAttach({ name: '201-1' });
          simulated.simulateDetach('201-1');
        }
      });
    `);
    expect([code, signal, stderr]).toEqual([7, null, '']);
  });

  it('outlives workers that are terminated in the midst of events, and ends with 0', async () => {
    const { code, signal, stdout, stderr } = await program(
      `
        const { Worker } = require('node:worker_threads');
        const text = ${JSON.stringify(`
          const { parentPort, workerData } = require('node:worker_threads');
          const USBDaemon = require(workerData.root);
          const daemon = new USBDaemon(workerData.config);
          daemon.on('device:attach', () => daemon.simulateDetach('201-1'));
          daemon.on('device:detach', () => daemon.simulateAttach({ name: '201-1' }));
          daemon.on('device:detach', () => parentPort.postMessage('events'));
          daemon.start().then(() => daemon.simulateAttach({ name: '201-1' }));
        `)};
        const redis = { host: '127.0.0.1', port: Number(process.argv[1]) };
        const config = { ...QUIET, redis, sources: { simulated: true }, monitoring: { enabled: true, healthcheck_port: 0 } };
        (async () => {
          for (let round = 0; round < 20; round += 1) {
            const worker = new Worker(text, { eval: true, workerData: { root: ${JSON.stringify(packageRoot)}, config } });
            await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
            await worker.terminate();
          }
          // No thread of a terminated worker's daemon is left.
          const names = require('node:fs').readdirSync('/proc/self/task').map((task) => require('node:fs').readFileSync('/proc/self/task/' + task + '/comm', 'utf8').trim());
          console.log(names.filter((name) => name.startsWith('aw-')).join());
        })();
      `,
      { args: [String(await freePort())] },
    );
    expect([code, signal, stderr, stdout]).toEqual([0, null, '', '\n']);
  });

  it('outlives workers that end by themselves with their daemon stopped', async () => {
    const { code, stdout, stderr } = await program(`
      const { Worker } = require('node:worker_threads');
      const text = ${JSON.stringify(`
        const { parentPort, workerData } = require('node:worker_threads');
        const USBDaemon = require(workerData.root);
        const daemon = new USBDaemon(workerData.config);
        daemon.on('device:attach', () => daemon.stop().then(() => parentPort.postMessage('stopped')));
        daemon.start().then(() => daemon.simulateAttach({ name: '201-1' }));
      `)};
      (async () => {
        for (let round = 0; round < 5; round += 1) {
          const worker = new Worker(text, { eval: true, workerData: { root: ${JSON.stringify(packageRoot)}, config: QUIET } });
          worker.once('message', (message) => console.log(message));
          const [code] = await require('node:events').once(worker, 'exit');
          if (code !== 0) throw new Error('worker ended with ' + code);
        }
      })();
    `);
    expect([code, stderr, stdout]).toEqual([0, '', 'stopped\n'.repeat(5)]);
  });
});
