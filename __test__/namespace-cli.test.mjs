// The command line on a USB tree with real uevents: list, watch and wait.

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findBinary } from './beds/namespace/index.mjs';
import { Program } from './beds/namespace/program.mjs';
import { stateFolder } from './command.mjs';
import { packageRoot } from './daemon.mjs';
import { openPlugged } from './plugged-bed.mjs';
import { until } from './until.mjs';

const usbDaemon = [process.execPath, join(packageRoot, 'bin', 'usb-daemon.js')];
const BUSES = 2;
const HUB = { kind: 'hub', controller: 0, port: '1' };
const MOUSE = { kind: 'mouse', controller: 0, port: '2' };
const MOUSE_ON_HUB = { ...MOUSE, port: '1.2' };
const DISK = { kind: 'storage', controller: 0, port: '1.4' };
const SERIAL = { kind: 'serial', controller: 1, port: '3' };
// eslint-disable-next-line no-control-regex
const COLOR = /\u001b\[/;

let bed;

async function open(devices, options) {
  bed = await openPlugged(devices, { controllers: BUSES, ...options });
}

/** Waits until what is connected has been told of, as the log says: root hubs, and `devices` on them. */
function started(program, devices) {
  return until(() => program.stderrText().split('"event_id"').length > BUSES + devices, 'the start');
}

function start(args, options) {
  return bed.spawn([...usbDaemon, ...args], options);
}

async function run(args, { env, ...options } = {}) {
  const { code, stdout, stderr } = await bed.exec([...usbDaemon, ...args], { env: { XDG_STATE_HOME: stateFolder(), ...env }, ...options });
  return { code, stdout: stdout.split('\n').slice(0, -1), stderr: stderr.split('\n').slice(0, -1) };
}

/** In a terminal, which is the test's own: a bed has none to give. `exec`, as a shell that stays would die of the Ctrl-C too. */
function inTerminal(args, env = {}) {
  const line = ['exec', findBinary(), 'enter', '--bed', String(bed.info.pid), '--', ...usbDaemon, ...args].join(' ');
  return new Program('script', ['--quiet', '--flush', '--return', '--command', line, '/dev/null'], { env: { TERM: 'xterm', NO_COLOR: '', ...env } });
}

describe('list', () => {
  it('draws a tree by hub, with what is behind each port', async () => {
    await open([SERIAL, HUB, DISK, MOUSE_ON_HUB]);
    const { code, stdout, stderr } = await run(['list', '--tree']);
    expect(stdout).toEqual([
      expect.stringMatching(/^usb1 {9}1d6b:0002 +\S+M {2}\[hub\] +Linux /),
      expect.stringMatching(/^└─ 1-1 {7}0409:55aa +12M {2}\[hub\] +QEMU QEMU USB Hub serial 314159-/),
      expect.stringMatching(/^ {3}├─ 1-1\.2 {2}0627:0001 +\S+M {2}\[hid\] +QEMU QEMU USB Mouse/),
      expect.stringMatching(/^ {3}└─ 1-1\.4 {2}46f4:0001 +\S+M {2}\[storage\] {2}QEMU QEMU USB HARDDRIVE/),
      expect.stringMatching(/^usb2 {9}1d6b:0002 /),
      expect.stringMatching(/^└─ 2-3 {7}0403:6001 +12M {2}\[vendor\] /),
    ]);
    expect([code, stderr]).toEqual([0, []]);
  });

  it('keeps the hubs that lead to what was asked for, and a line down past what is left out', async () => {
    await open([HUB, MOUSE_ON_HUB, DISK, SERIAL]);
    const { stdout } = await run(['list', '--tree', '--class', 'storage']);
    expect(stdout.map((line) => line.replace(/ {2}[\da-f]{4}:.*/, '').trimEnd())).toEqual(['usb1', '└─ 1-1', '   └─ 1-1.4']);
  });

  it('prints columns in a pipe and a tree on a terminal, and no color to either where there is nothing to color', async () => {
    await open([SERIAL]);
    const { stdout } = await run(['list', '--vendor', '0403']);
    expect(stdout[0]).toMatch(/^BUS:DEV {2}PORT {2}ID {9}SPEED {2}CLASS {3}DRIVER {2}MANUFACTURER {2}PRODUCT {10}SERIAL$/);
    expect(stdout[1]).toMatch(/^002:002 {2}2-3 {3}0403:6001 {2}12M {4}vendor {2}- {7}QEMU {10}QEMU USB SERIAL {2}1-0000:00:02\.0-3$/);
    const terminal = inTerminal(['list']);
    expect(await terminal.waitForLine((line) => line.includes('0403:6001'))).toMatch(/^└─ 2-3 /);
    expect((await terminal.exit).code).toBe(0);
  });

  it('gives the info that an attach has, without an event, one object a line', async () => {
    await open([HUB, MOUSE_ON_HUB]);
    const watching = start(['watch', '--product', '0001']);
    const { info } = JSON.parse(await watching.waitForLine(() => true));
    watching.kill('SIGTERM');
    const { stdout } = await run(['list', '--json', '--product', '0x0001']);
    const [found, ...others] = stdout.map((line) => JSON.parse(line));
    const { eventId, synthetic, timestamp, attachedAt, ...same } = info;
    expect([typeof eventId, synthetic]).toEqual(['string', 'startup']);
    expect(found).toEqual({ ...same, timestamp: expect.any(Number), attachedAt: expect.any(Number) });
    expect([others, Object.keys(found)]).toEqual([[], Object.keys(info).filter((key) => !['eventId', 'synthetic'].includes(key))]);
  });

  it('names what does not name itself', async () => {
    await open([{ controller: 0, port: '1', vendor_id: 0x046d, product_id: 0xc077 }]);
    for (const how of ['--tree', '--columns']) expect((await run(['list', how, '--vendor', '046d'])).stdout.at(-1)).toMatch(/Logitech, Inc\. +Mouse/);
    const [{ vendorName, productName, manufacturer }] = (await run(['list', '--json', '--vendor', '046d'])).stdout.map((line) => JSON.parse(line));
    expect([vendorName, productName, manufacturer]).toEqual(['Logitech, Inc.', 'Mouse', undefined]);
  });

  it('keeps hostile strings on their line', async () => {
    await open([{ ...MOUSE, port: '1', product: 'a\u001b[31m\nb', serial: '\u202e' }]);
    for (const how of ['--tree', '--columns']) {
      const { stdout } = await run(['list', how, '--vendor', '0627']);
      expect(stdout.at(-1)).toContain('a\\u{1b}[31m\\nb');
      expect(stdout.at(-1)).toContain('\\u{202e}');
      expect(stdout).toHaveLength(2);
    }
  });

  it('is what the addon gives too, as one array', async () => {
    await open([HUB, MOUSE_ON_HUB]);
    const { stdout } = await run(['list', '--json']);
    const addon = "console.log(require('./js/native.js').listDevices())";
    const { stdout: listed } = await bed.exec([process.execPath, '-e', addon], { cwd: packageRoot });
    const timeless = (devices) => devices.map((device) => ({ ...device, timestamp: 0, attachedAt: 0 }));
    expect(timeless(JSON.parse(listed))).toEqual(timeless(stdout.map((line) => JSON.parse(line))));
    expect(JSON.parse(listed).map(({ location }) => location.portPath)).toEqual(['0', '1', '1.2', '0']);
  });

  it('needs no rights', async () => {
    await open([SERIAL]);
    const { code, stdout } = await run(['list', '--json', '--vendor', '0403'], { user: 'nobody' });
    expect([code, stdout.length]).toEqual([0, 1]);
  });
});

describe('watch', () => {
  it('prints NDJSON in a pipe: what is connected, then what comes and goes', async () => {
    await open([MOUSE]);
    const watching = start(['watch', '--vendor', '0627']);
    const next = async () => JSON.parse(await watching.waitForLine(() => true));
    expect(await next()).toMatchObject({ type: 'attach', info: { synthetic: 'startup', location: { portPath: '2' } } });
    await bed.plug(SERIAL);
    const handle = await bed.plug({ ...MOUSE, port: '5' });
    expect(await next()).toMatchObject({ type: 'attach', info: { backend: 'netlink', location: { portPath: '5' } } });
    await bed.unplug(handle);
    expect(await next()).toMatchObject({ type: 'detach', info: { location: { portPath: '5' } } });
    watching.kill('SIGTERM');
    expect(await watching.exit).toEqual({ code: 0, signal: null });
    expect(watching.stderrText()).toBe('');
  });

  it('leaves out what is connected with --no-present, and prints for people with --no-json', async () => {
    await open([MOUSE]);
    const watching = start(['watch', '--no-present', '--no-json', '--vendor', '0x0627'], { env: { LOG_LEVEL: 'debug', USB_DAEMON_JSON: '1' } });
    // What is connected has been told of by then, and is not printed.
    await started(watching, 1);
    await bed.plug({ ...MOUSE, port: '5' });
    const line = await watching.waitForLine(() => true);
    expect(line).toMatch(/Z {2}attach {4}1:003 {2}port 5 {8}0627:0001 QEMU QEMU USB Mouse serial \S+ {2}\(netlink\)$/);
    expect(line).not.toMatch(COLOR);
  });

  it.each([['colors', ''], ['does not color where NO_COLOR is set', '1']])('%s on a terminal', async (_, NO_COLOR) => {
    await open([MOUSE]);
    const watching = inTerminal(['watch', '--vendor', '0627'], { NO_COLOR });
    const line = await watching.waitForLine((text) => text.includes('0627:0001'));
    expect(COLOR.test(line)).toBe(NO_COLOR === '');
    expect(line).toContain(NO_COLOR === '' ? '\u001b[32mattach\u001b[0m' : '  attach  ');
    watching.write('\u0003');
    expect((await watching.exit).code).toBe(0);
  });

  it('ends with its reader', async () => {
    await open([MOUSE]);
    const { code, stdout, stderr } = await bed.exec(['sh', '-c', '"$0" "$1" watch --vendor 0627 | head -n 1; echo over', ...usbDaemon]);
    expect([code, stdout.split('\n').length, stderr]).toEqual([0, 3, '']);
    expect(stdout).toMatch(/^\{"type":"attach".*\nover\n$/);
  });

  it('says on stderr that uevents are not heard, once that is proven', async () => {
    await open([], { deaf: true });
    const watching = start(['watch', '--vendor', '0627', '--interval', '100'], { env: { LOG_LEVEL: 'debug' } });
    await started(watching, 0);
    await bed.plug(MOUSE);
    expect(JSON.parse(await watching.waitForLine(() => true)).info.vendorId).toBe(0x0627);
    await until(() => /^netlink +deaf .*snapshots decide$/m.test(watching.stderrText()), 'the word of it');
    watching.kill('SIGTERM');
    expect(await watching.exit).toEqual({ code: 0, signal: null });
  });
});

describe('wait', () => {
  it('is over at once where the device is connected, however short the time', async () => {
    await open([SERIAL]);
    for (const match of [['--vendor', '0403'], ['--product', '0x6001'], ['--class', 'vendor'], ['--port', '2-3'], ['--serial', '1-0000:00:02.0-3']]) {
      const { code, stdout, stderr } = await run(['wait', ...match, '--timeout', '0s']);
      expect(stdout, match.join(' ')).toEqual([expect.stringMatching(/ 0403:6001 QEMU QEMU USB SERIAL /)]);
      expect([code, stderr]).toEqual([0, []]);
    }
  });

  it('is over when the device comes, and prints it', async () => {
    await open([]);
    const waiting = start(['wait', '--vendor', '0403', '--json', '--timeout', '30s'], { env: { LOG_LEVEL: 'debug' } });
    await started(waiting, 0);
    await bed.plug(MOUSE);
    await bed.plug(SERIAL);
    expect(JSON.parse(await waiting.waitForLine(() => true))).toMatchObject({ vendorId: 0x0403, backend: 'netlink' });
    expect(await waiting.exit).toEqual({ code: 0, signal: null });
  });

  it('with --gone is over when the last one has left', async () => {
    await open([]);
    const [first, second] = [await bed.plug(MOUSE), await bed.plug({ ...MOUSE, port: '5' })];
    const waiting = start(['wait', '--class', 'hid', '--gone'], { env: { LOG_LEVEL: 'debug' } });
    await started(waiting, 2);
    await bed.unplug(first);
    await bed.unplug(second);
    expect(await waiting.waitForLine(() => true)).toMatch(/ detach {4}1:003 {2}port 5 /);
    expect(await waiting.exit).toEqual({ code: 0, signal: null });
  });

  it('with --gone gives up with 3 while one is there', async () => {
    await open([MOUSE]);
    const { code, stdout, stderr } = await run(['wait', '--vendor', '0627', '--gone', '--timeout', '50ms']);
    expect(stderr).toEqual(['error: a device is still there after 50ms: vendor 0627 [ERR_USB_TIMEOUT]']);
    expect([code, stdout]).toEqual([3, []]);
  });
});
