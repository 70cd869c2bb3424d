// What the kernel keeps back by filters on our sockets, where it gives a socket little memory for them.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openQemuBed } from './beds/qemu/index.mjs';
import { packageRoot } from './daemon.mjs';
import { addressOf } from './kernel-witnesses.mjs';
import { observe } from './observe.mjs';

/** Several times what a receive buffer holds that a process without rights may have. */
const OTHERS = 1_000;
const CONFIG = { redis: false, monitoring: { enabled: false } };

/** What is logged when a filter is set, be it before a start is over or after it. */
const SET = ['the kernel keeps back what is not about USB', 'the kernel keeps back all but departures', 'the kernel keeps back what is below no USB bus'];

/** Starts a daemon and stops it once all of that has been logged, or never is; prints what it logs. */
const logging = `
  const { USBDaemon } = require(process.argv[1]);
  USBDaemon.initializeTracing({ level: 'debug' });
  const daemon = new USBDaemon(${JSON.stringify(CONFIG)});
  setTimeout(() => daemon.stop(), 30_000).unref();
  const awaited = new Set(${JSON.stringify(SET)});
  daemon.on('log', ({ message }) => {
    console.log(message);
    if (awaited.delete(message) && awaited.size === 0) daemon.stop();
  });
  daemon.start();
`;

let bed;

beforeAll(async () => {
  bed = await openQemuBed({ udev: false });
});
afterAll(() => bed?.close());

const said = async (command) => (await bed.shell(command, { cwd: '/' })).stdout.trim();

// Linux before 6.8, and where a word has 32 bits.
describe.each([20_480, 10_240])('where a socket may have %i bytes', (memory) => {
  beforeAll(async () => {
    expect(await said(`echo ${memory} >/proc/sys/net/core/optmem_max; cat /proc/sys/net/core/optmem_max`)).toBe(String(memory));
  });

  it('each filter is set', async () => {
    const { code, stdout } = await bed.exec([process.execPath, '-e', logging, packageRoot], { cwd: '/' });
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines.length).toBeGreaterThan(3);
    expect(lines).toEqual(expect.arrayContaining(SET));
    expect(lines.filter((line) => /no filter|no socket/.test(line))).toEqual([]);
  });

  it('much that is not USB fills no buffer of a daemon that has no time to read', async () => {
    const observer = await observe(bed, { config: CONFIG, user: 'nobody', only: ['device:attach', 'gap', 'log'], tracing: true, env: { LOG_LEVEL: 'debug' } });
    await observer.ask('start');
    for (const message of SET) await observer.waitFor(({ event, value }) => event === 'log' && value.message === message, message);
    observer.kill('SIGSTOP');
    const running = `cat /proc/${observer.pid}/task/*/stat | grep -qv ') T '`;
    expect(await said(`for at in $(seq 100); do ${running} || break; sleep 0.1; done; ${running} || ls -d /proc/${observer.pid}`)).toBe(`/proc/${observer.pid}`);
    expect(await said(`for at in $(seq ${OTHERS}); do echo change >/sys/class/net/lo/uevent && echo $at; done | tail -n 1`)).toBe(String(OTHERS));
    observer.kill('SIGCONT');
    const handle = await bed.plug({ kind: 'keyboard', controller: 0, port: '1', serial: 'AFTER' });
    const { busnum, devnum } = await bed.settle(handle, 'bind');
    const isIts = ({ event, value }) => event === 'device:attach' && addressOf(value) === `${busnum}:${devnum}`;
    await observer.waitFor(isIts, 'the device');
    expect(observer.of('gap')).toEqual([]);
    expect(observer.of('log').filter(({ value }) => value.message.includes('were lost'))).toEqual([]);
    await observer.end();
    await bed.unplug(handle);
    await bed.settle(handle, 'gone');
  });
});
