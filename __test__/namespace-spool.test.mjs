// Records of the helper that udev calls: what a daemon has missed is told from them, once; what it has heard itself is not told again.

import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { stateFolder } from './command.mjs';
import { packageRoot } from './daemon.mjs';
import { observe } from './observe.mjs';
import { fieldsOf, startRedis } from './redis-server.mjs';
import { Spool } from './spool.mjs';
import { until } from './until.mjs';

const mouse = (port) => ({ kind: 'mouse', controller: 0, port });
const program = join(packageRoot, 'bin', 'usb-daemon.js');

let bed;
let server;
let folder;
let spool;

async function open(options) {
  folder = stateFolder();
  bed = await openNamespaceBed(options);
  server = await startRedis({ args: ['--unixsocket', join(folder, 'redis.sock')] });
  spool = await new Spool(join(folder, 'spool')).listen(bed);
}

async function close() {
  await bed.close();
  await server.close();
}

const config = (more = {}) => ({
  redis: { path: join(folder, 'redis.sock') }, outbox: { path: join(folder, 'outbox.db') }, monitoring: { enabled: false, interval: 500 },
  fallback: { spool_path: spool.path }, sources: { libusb: false }, performance: { max_events_per_second: 0 }, ...more,
});

async function run(options) {
  const observer = await observe(bed, { config: config(options) });
  await observer.ask('start');
  return observer;
}

/** Plugs a device in and pulls it out again while nobody listens; gives both uevents. */
async function comeAndGo(port) {
  await bed.unplug(await bed.plug(mouse(port)));
  return spool.next(2);
}

/** Events of devices on hub ports, in short. */
async function stream() {
  const entries = (await server.entries()).map(fieldsOf);
  expect(entries.map(({ seq }) => Number(seq))).toEqual(entries.map((_, at) => at + 1));
  return entries.filter(({ port_path }) => port_path !== '0').map(({ action, port_path, backend, synthetic }) => `${action} ${port_path} ${backend} ${synthetic ?? '-'}`);
}

const streamed = (count) => until(async () => (await stream()).length >= count && stream(), `${count} entries`);
const emptied = () => until(() => spool.files.length === 0, 'an empty spool');

describe('with uevents', () => {
  beforeEach(() => open());
  afterEach(close);

  it('tells each step of what was missed, in order, with the time of its record and what it says', async () => {
    const [stays, leaves] = [await bed.plug(mouse('1')), await bed.plug(mouse('2'))];
    const first = await run();
    await streamed(2);
    await first.end();
    await spool.next(2);
    await bed.unplug(leaves);
    const steps = await spool.next(1);
    steps.push(...(await comeAndGo('2')), ...(await comeAndGo('3')));
    await bed.plug(mouse('2'));
    steps.push(...(await spool.next(1)));
    spool.write(steps, { TIMESTAMP: 1_700_000_000_000, ID_MODEL_ENC: 'Left\\x20already', ID_SERIAL_SHORT: 'S1', ID_USB_INTERFACES: ':030102:' });
    const second = await run();
    const missed = 'udev-helper missed-while-down';
    expect((await streamed(8)).slice(2)).toEqual([
      `detach 2 ${missed}`, `attach 2 ${missed}`, `detach 2 ${missed}`, `attach 3 ${missed}`, `detach 3 ${missed}`, `attach 2 ${missed}`,
    ]);
    const entries = (await server.entries()).map(fieldsOf).filter(({ backend }) => backend === 'udev-helper');
    expect(entries.every(({ timestamp }) => timestamp === '1700000000000')).toBe(true);
    expect(entries[1]).toMatchObject({ product: 'Left already', serial_number: 'S1', partial: 'true', interfaces: '03/01/02' });
    expect(entries[0].product, 'what was known when it came').not.toBe('Left already');
    expect(entries[5].product, 'what is there is asked').toBe(entries[0].product);
    await emptied();
    await bed.unplug(stays);
    expect((await streamed(9)).at(-1)).toBe('detach 1 netlink -');
    await second.end();
    const third = await run();
    expect(await stream(), 'nothing a second time').toHaveLength(9);
    await third.end();
  });

  it.each(['stopped', 'killed'])('tells nothing twice of what it has heard itself, however late the records come, after it was %s', async (how) => {
    const first = await run();
    await comeAndGo('1').then((steps) => spool.write(steps));
    await bed.plug(mouse('2'));
    const heard = [...(await comeAndGo('3')), ...(await spool.next(1))];
    await streamed(5);
    await emptied();
    await first.end(how);
    // udev is slow.
    spool.write(heard);
    const second = await run();
    await emptied();
    expect(await stream()).toHaveLength(5);
    expect((await stream()).filter((event) => !event.endsWith('netlink -'))).toEqual([]);
    await second.end();
  });

  it('tells what was missed where its record comes after the start, as long as that contradicts nothing', async () => {
    await bed.plug(mouse('1'));
    await spool.next(1);
    const first = await run();
    await streamed(1);
    await first.end();
    const [late, replaced] = [await comeAndGo('2'), await comeAndGo('3')];
    await bed.plug(mouse('3'));
    const [there] = await spool.next(1);
    const second = await run();
    expect((await streamed(2)).at(-1)).toBe('attach 3 snapshot missed-while-down');
    spool.write([...late, ...replaced, there]);
    expect((await streamed(4)).slice(2)).toEqual(['attach 2 udev-helper missed-while-down', 'detach 2 udev-helper missed-while-down']);
    await emptied();
    expect(await stream(), 'another device is at port 3 by now').toHaveLength(4);
    await second.end();
  });

  it('leaves what is there to the snapshot where nothing was told before, and tells what came and went', async () => {
    const gone = await comeAndGo('1');
    await bed.plug(mouse('2'));
    spool.write([...gone, ...(await spool.next(1))]);
    const observer = await run();
    expect(await streamed(3)).toEqual(['attach 1 udev-helper missed-while-down', 'detach 1 udev-helper missed-while-down', 'attach 2 snapshot startup']);
    await emptied();
    await observer.end();
  });

  it('removes and names what is no record, follows no link, and goes on', async () => {
    const [uevent] = await comeAndGo('1');
    spool.put('00000000000000000007.event', 'VERSION=1\nACTION=attach\n');
    symlinkSync('/etc/shadow', join(spool.path, '00000000000000000008.event'));
    const observer = await run();
    const errors = () => observer.of('error').filter(({ code }) => code === 'ERR_USB_SPOOL').map(({ message }) => message);
    await until(() => errors().length === 2, 'two errors');
    expect(errors()).toEqual([expect.stringMatching(/00000000000000000007\.event is no record.*it lacks SEQNUM/), expect.stringMatching(/00000000000000000008\.event.*it is a link/)]);
    await emptied();
    mkdirSync(join(spool.path, '00000000000000000009.event'));
    spool.put(`${String(uevent.seqnum).padStart(20, '0')}.event`, 'VERSION=2\n');
    await until(() => errors().length >= 4, 'two more');
    await bed.plug(mouse('2'));
    expect(await streamed(1)).toEqual(['attach 2 netlink -']);
    expect(errors(), 'a folder stays, and is named once').toHaveLength(4);
    await observer.end();
  });
});

describe('where no uevents are heard', () => {
  beforeEach(() => open({ deaf: true, devfs: false }));
  afterEach(close);

  it('the helper is who tells, at once and in order', async () => {
    const observer = await run({ monitoring: { enabled: false, interval: 60_000 } });
    await until(() => observer.of('source:state').some(({ value }) => value.source === 'udev-helper'), 'the source');
    const steps = await comeAndGo('1');
    await bed.plug(mouse('2'));
    spool.write([...steps, ...(await spool.next(1))]);
    expect(await streamed(3)).toEqual(['attach 1 udev-helper -', 'detach 1 udev-helper -', 'attach 2 udev-helper -']);
    await emptied();
    await observer.end();
  });
});

describe('a socket that was handed over', () => {
  beforeEach(() => open());
  afterEach(close);

  // As systemd does it: the socket is older than the daemon, and stays when that goes.
  const HOLDER = `
    use strict; use Socket; $^F = 9; use POSIX ();
    socket(my $socket, 16, SOCK_DGRAM, 15) or die "socket: $!";
    bind($socket, pack('S S L L', 16, 0, 0, 1)) or die "bind: $!";
    $| = 1; print "ready\\n";
    while (<STDIN>) {
      my $child = fork;
      if (!$child) {
        POSIX::dup2(fileno($socket), 3);
        @ENV{'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'} = ($$, 1, 'uevents');
        open(STDIN, '<', '/dev/null');
        exec @ARGV;
      }
      print "pid $child\\n";
      waitpid($child, 0);
      print "gone\\n";
    }`;

  it('has what came while nobody ran, and each transition is told once, with records or without', async () => {
    const leaves = await bed.plug(mouse('1'));
    await spool.next(1);
    const settings = JSON.stringify(config());
    spool.put('../config.json', settings);
    const args = [process.execPath, program, 'run', '--json', '--config', join(folder, 'config.json')];
    const holder = bed.spawn(['perl', '-e', HOLDER, ...args]);
    await holder.waitForLine((line) => line === 'ready');
    const start = async () => {
      holder.write('run');
      return Number((await holder.waitForLine((line) => line.startsWith('pid '))).slice(4));
    };
    const stop = async () => {
      await bed.exec(['kill', '-TERM', String(pid)]);
      await holder.waitForLine((line) => line === 'gone', { timeoutMs: 20_000 });
    };
    let pid = await start();
    const handed = JSON.parse(await holder.waitForLine((line) => line.startsWith('{') && JSON.parse(line).source?.source === 'netlink'));
    expect(handed.source).toMatchObject({ state: 'up', reason: expect.stringMatching(/^handed over at start, receive buffer \d+ bytes$/) });
    await streamed(1);
    await stop();
    await bed.unplug(leaves);
    const steps = [...(await spool.next(1)), ...(await comeAndGo('2')), ...(await comeAndGo('1'))];
    await bed.plug(mouse('3'));
    steps.push(...(await spool.next(1)));
    spool.write(steps.slice(0, 3));
    pid = await start();
    expect((await streamed(7)).slice(1)).toEqual([
      'detach 1 netlink missed-while-down', 'attach 2 netlink -', 'detach 2 netlink -', 'attach 1 netlink -', 'detach 1 netlink -', 'attach 3 netlink -',
    ]);
    spool.write(steps.slice(3));
    await emptied();
    expect(await stream()).toHaveLength(7);
    await stop();
    holder.endInput();
  });
});
