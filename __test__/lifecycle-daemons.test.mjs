// Several daemons in one process, and the end of a process with a daemon still running in the midst of its work.

import { describe, expect, it, onTestFinished } from 'vitest';
import { cycle, openDaemon, packageRoot } from './daemon.mjs';
import { program } from './lifecycle/program.mjs';
import { fieldsOf, freePort, seqsOf, startRedis, upTo } from './redis-server.mjs';

const EVENTS = 2_000;

/** Runs a program that has USBDaemon, and BUSY: a configuration with all of a daemon's threads, and a Redis that is away. */
async function busyProgram(text) {
  const redis = { host: '127.0.0.1', port: await freePort() };
  const config = { redis, sources: { simulated: true }, monitoring: { enabled: true, healthcheck_port: 0 }, performance: { max_events_per_second: 0 } };
  return program(['-e', `const USBDaemon = require(${JSON.stringify(packageRoot)}); const BUSY = ${JSON.stringify(config)}; ${text}`]);
}

describe('several daemons in one process', () => {
  it('go on, each with all of its own events, while one of them is stopped in the midst of its own', async () => {
    const server = await startRedis();
    onTestFinished(() => server.close());
    const daemons = ['one', 'two', 'three'].map((stream) => openDaemon({ redis: { host: '127.0.0.1', port: server.port, stream } }));
    await Promise.all(daemons.map((daemon) => daemon.start()));
    for (const daemon of daemons) cycle(daemon, EVENTS);
    const [stopped, ...others] = daemons;
    await stopped.heard.waitFor('device:detach');
    await stopped.stop();
    // The others hear what was under way, and what comes after.
    for (const daemon of others) cycle(daemon, EVENTS);
    const streams = await Promise.all(['two', 'three'].map((stream) => server.waitForEntries(EVENTS * 2, { stream })));
    for (const [at, daemon] of others.entries()) {
      await daemon.heard.waitFor('device:detach', { count: EVENTS });
      expect(daemon.isRunning).toBe(true);
      expect(seqsOf(streams[at])).toEqual(upTo(EVENTS * 2));
      const heard = daemon.heard.all.filter(({ event }) => event.startsWith('device:')).map(({ value }) => value.eventId);
      expect(streams[at].map((entry) => fieldsOf(entry).event_id)).toEqual(heard);
    }
    const producers = new Set(daemons.map((daemon) => daemon.heard.of('device:attach')[0].eventId.split(':')[0]));
    expect(producers.size).toBe(3);
    expect([stopped.isRunning, stopped.heard.of('stopped').length]).toEqual([false, 1]);
  });

  it('have their own devices, though these are at the same place', async () => {
    const daemons = [openDaemon(), openDaemon()];
    await Promise.all(daemons.map((daemon) => daemon.start()));
    for (const daemon of daemons) {
      daemon.simulateAttach({ name: '201-1', serialNumber: String(daemons.indexOf(daemon)) });
      await daemon.heard.waitFor('device:attach');
    }
    await daemons[0].stop();
    expect(daemons[0].getConnectedDevices()).toEqual([]);
    expect(daemons[1].getConnectedDevices().map(({ serialNumber }) => serialNumber)).toEqual(['1']);
    daemons[1].simulateDetach('201-1');
    await daemons[1].heard.waitFor('device:detach');
    expect(daemons[0].heard.of('device:detach')).toEqual([]);
  });

  it('may be twenty, started and stopped at once', async () => {
    const daemons = Array.from({ length: 20 }, () => openDaemon());
    await Promise.all(daemons.map((daemon) => daemon.start()));
    for (const daemon of daemons) cycle(daemon, 20);
    await Promise.all(daemons.map((daemon) => daemon.heard.waitFor('device:detach', { count: 10 })));
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    for (const daemon of daemons) {
      expect(daemon.heard.of('device:attach').map(({ eventId }) => Number(eventId.split(':')[1]) % 2)).toEqual(new Array(10).fill(1));
      expect(daemon.isRunning).toBe(false);
    }
  });
});

describe('a process', () => {
  it('that has let go of a busy daemon ends with 0, the daemon still running and events waiting', async () => {
    const { code, signal, stderr, lines } = await busyProgram(`
      const daemon = new USBDaemon(BUSY);
      process.on('exit', () => console.log(daemon.isRunning, daemon.getStatus().queuedEvents > 0));
      daemon.start().then(() => {
        daemon.once('device:detach', () => daemon.unref());
        for (let at = 0; at < 1000; at += 1) {
          daemon.simulateAttach({ name: '201-1' });
          daemon.simulateDetach('201-1');
        }
      });
    `);
    expect({ code, signal, stderr, lines }).toEqual({ code: 0, signal: null, stderr: '', lines: ['true true'] });
  });

  it('with two daemons is held by the one that it has not let go of', async () => {
    const { code, lines } = await busyProgram(`
      const [held, free] = [new USBDaemon(BUSY), new USBDaemon(BUSY).unref()];
      process.on('exit', () => console.log(held.isRunning, free.isRunning));
      held.on('device:detach', async () => { await held.stop(); console.log('stopped'); });
      Promise.all([held.start(), free.start()]).then(() => {
        held.simulateAttach({ name: '201-1' });
        require('node:child_process').spawn('sleep', ['0.2'], { stdio: 'ignore' }).on('exit', () => held.simulateDetach('201-1')).unref();
      });
    `);
    expect([code, lines]).toEqual([0, ['stopped', 'false true']]);
  });

  for (const [when, act] of [
    ['while it starts', 'daemon.start(); process.exit(5);'],
    ['while it stops', 'await daemon.start(); daemon.simulateAttach({ name: "201-1" }); daemon.stop(); setImmediate(() => process.exit(5));'],
    ['while it tells', 'daemon.on("device:attach", () => process.exit(5)); await daemon.start(); daemon.simulateAttach({ name: "201-1" });'],
  ]) {
    it(`that ends by process.exit() ${when} has the code given, and no crash`, async () => {
      const { code, signal, stderr } = await busyProgram(`(async () => { const daemon = new USBDaemon(BUSY); ${act} })();`);
      expect({ code, signal, stderr }).toEqual({ code: 5, signal: null, stderr: '' });
    });
  }
});
