// Windows' side of the code, as far as it can be seen on Linux: built with mingw, packed as if it were Microsoft's build, installed, and
// used in the Node for Windows that Wine runs. What Wine lacks, the bed has (scripts/cross/wine): a system that lists no device, one with
// devices that come and go, one that tells nothing, and one that hangs. Ten minutes of building the first time, so only npm run
// test:full does it, or USB_DAEMON_WINDOWS=1.

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDONS, PLATFORMS, checkout, fileOf, packageOf } from '../scripts/addons.mjs';
import { freePort } from './free-port.mjs';
import { serveRegistry, tarballsOf } from './npm-registry.mjs';
import { runToEnd } from './run-to-end.mjs';
import { until } from './until.mjs';

const MAIN = '@autoweave/usb-daemon';
const MINUTES = 60_000;
const BED = join(checkout, '.cache/cross/beds/win32-x64-msvc');
const BUILT = join(ADDONS, 'usb-daemon.win32-x64-gnu.node');
/** Whose package has the build. */
const WINDOWS = PLATFORMS.find(({ name }) => name === 'win32-x64-msvc');
/** What every Windows has. */
const SYSTEM = /^(advapi32|api-ms-win-[\w-]+|bcrypt|bcryptprimitives|cfgmgr32|crypt32|iphlpapi|kernel32|kernelbase|msvcrt|ncrypt|ntdll|ole32|oleaut32|pdh|powrprof|psapi|secur32|setupapi|shell32|user32|userenv|winusb|ws2_32)\.dll$/i;

let folder;
let project;
let runs = 0;
const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'usb-daemon-windows-'));
  execFileSync('sh', [join(checkout, 'scripts/cross/beds.sh'), 'windows'], { stdio: 'inherit' });
  execFileSync('sh', [join(checkout, 'scripts/cross/build.sh'), 'win32-x64-gnu'], { stdio: 'inherit' });
  const addons = join(folder, 'addons');
  mkdirSync(addons);
  copyFileSync(BUILT, join(addons, fileOf(WINDOWS)));
  const tarballs = join(folder, 'tarballs');
  // mingw's build is larger than the one that is shipped.
  execFileSync(process.execPath, [join(checkout, 'scripts/pack.mjs'), '--addons', addons, '--into', tarballs, '--any-size'], { stdio: 'inherit' });
  project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }');
  copyFileSync(join(checkout, 'scripts/smoke-program.mjs'), join(project, 'smoke-program.mjs'));
  for (const name of readdirSync(join(checkout, '__test__/windows'))) copyFileSync(join(checkout, '__test__/windows', name), join(project, name));
  const registry = await serveRegistry(tarballsOf(tarballs));
  try {
    const env = { PATH: process.env.PATH, HOME: folder, npm_config_cache: join(folder, 'cache'), npm_config_update_notifier: 'false' };
    const args = ['install', '--os=win32', '--cpu=x64', '--registry', registry.url, '--no-audit', '--no-fund', '--loglevel=error', MAIN];
    expect(await runToEnd(project, env, 'npm', ...args)).toMatchObject({ status: 0 });
  } finally {
    registry.close();
  }
}, 60 * MINUTES);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the Node for Windows there. */
const node = (env, ...args) => runToEnd(project, { HOME: folder, TEST_OUTBOX: `outbox-${(runs += 1)}.db`, ...env }, join(BED, 'run'), ...args);
const command = (env, ...args) => node(env, `node_modules/${MAIN}/bin/usb-daemon.js`, ...args);

/** What a program says, which has to succeed and to complain of nothing. */
async function said(env, program) {
  const { status, stdout, stderr } = await node(env, program);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

const stateOf = ({ sources }, name) => sources.find(({ source }) => source === name);
const tables = (file) => execFileSync('x86_64-w64-mingw32-objdump', ['-p', file], { encoding: 'utf8', maxBuffer: 2 ** 28 });

describe('the addon', () => {
  it('needs no library that Windows has not', () => {
    const needed = [...tables(BUILT).matchAll(/DLL Name: (\S+)/g)].map(([, name]) => name);
    expect(needed).toContain('cfgmgr32.dll');
    expect(needed.filter((name) => !SYSTEM.test(name))).toEqual([]);
  });

  it('asks the configuration manager for nothing that the bed does not answer', () => {
    const asked = [...tables(BUILT).matchAll(/\b(CM_\w+)$/gm)].map(([, name]) => name);
    const answered = [...tables(join(BED, 'cfgmgr32.dll')).matchAll(/\b(CM_\w+)$/gm)].map(([, name]) => name);
    expect(asked).toContain('CM_Register_Notification');
    expect(asked.filter((name) => !answered.includes(name))).toEqual([]);
  });

  it('is the one of the package that npm chooses for Windows', async () => {
    const there = PLATFORMS.filter((each) => existsSync(join(project, 'node_modules', packageOf(each))));
    expect(there).toEqual([WINDOWS]);
    const { addon } = await said({}, 'smoke-program.mjs');
    expect(addon).toEqual([expect.stringMatching(/\\node_modules\\@autoweave\\usb-daemon-win32-x64-msvc\\usb-daemon\.win32-x64-msvc\.node$/)]);
  });
});

describe('a daemon on Windows', () => {
  it('tells of simulated devices, and has them on disk', async () => {
    expect(await said({}, 'smoke-program.mjs')).toMatchObject({ seen: ['attach Mouse', 'detach Mouse'], durable: true, arch: 'x64' });
    expect(existsSync(join(project, 'outbox.db'))).toBe(true);
  });

  it('hears and lists where there is no device, serves that, and keeps its outbox to itself', async () => {
    const port = await freePort();
    const ended = said({ TEST_PORT: String(port), TEST_UNTIL: 'asked.txt' }, 'senses.mjs');
    try {
      await until(() => fetch(`http://127.0.0.1:${port}/live`).then(({ ok }) => ok, () => false), 'the server');
      const ask = async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
      expect(JSON.parse(await ask('/health'))).toMatchObject({ status: 'healthy', connectedDevices: 0 });
      const metrics = new Map([...(await ask('/metrics')).matchAll(/^(process_\w+) (\S+)$/gm)].map(([, name, value]) => [name, Number(value)]));
      for (const name of ['cpu_seconds_total', 'resident_memory_bytes', 'threads', 'start_time_seconds']) expect(metrics.get(`process_${name}`)).toBeGreaterThan(0);
    } finally {
      writeFileSync(join(project, 'asked.txt'), '');
    }
    const { health, refused, errors } = await ended;
    expect(health.sources).toMatchObject([
      { source: 'libusb', state: 'unavailable', reason: 'this libusb has no hotplug support' },
      { source: 'netlink', state: 'off' },
      { source: 'snapshot', state: 'up', reason: 'compares with what the system lists' },
      { source: 'watcher', state: 'up', reason: 'hears devices come and go' },
    ]);
    expect(refused).toEqual({ code: 'ERR_USB_OUTBOX', message: expect.stringMatching(/cannot be used: process \d+ has it/) });
    expect(errors).toEqual([]);
  });

  it('says why nothing is heard, and lists all the same', async () => {
    const { health } = await said({ USB_BED_CFGMGR32: 'refuses' }, 'senses.mjs');
    expect(health).toMatchObject({ status: 'degraded', started: true });
    expect(stateOf(health, 'watcher')).toMatchObject({ state: 'failed', reason: expect.stringContaining('failed to initialize hotplug notifications') });
    expect(stateOf(health, 'snapshot')).toMatchObject({ state: 'up' });
  });

  it('starts and stops where a hub hangs, and says that', async () => {
    const { health } = await said({ USB_BED_CFGMGR32: 'hangs' }, 'senses.mjs');
    expect(health).toMatchObject({ status: 'unhealthy', started: true });
    expect(stateOf(health, 'snapshot')).toMatchObject({ state: 'failed', reason: expect.stringContaining('a hub or a device does not answer') });
  });
});

describe.each([
  ['the system tells, and nobody lists for ten minutes', { TEST_INTERVAL: '600000' }, 'up'],
  ['nothing can be heard, and listings are compared', { TEST_INTERVAL: '100', USB_BED_CFGMGR32: 'refuses' }, 'failed'],
])('where %s', (_, how, watcher) => {
  it('each device is told of once as it comes, is replugged, and leaves', async () => {
    const { told, present, health } = await said({ ...how, USB_BED_DEVICES: 'devices.txt' }, 'plugging.mjs');
    expect(told.map(({ event, product }) => `${event} ${product}`)).toEqual([
      'attach Keyboard',
      'attach Optical Mouse',
      'detach Optical Mouse',
      'attach Optical Mouse',
      'detach Optical Mouse',
    ]);
    const location = { busNumber: 1, deviceAddress: 3, portPath: '2' };
    expect(told[1]).toMatchObject({ vendorId: 0x046d, productId: 0xc077, manufacturer: 'Bed', serialNumber: 'M1', speed: 480, location, partial: false });
    expect(present.map(({ serialNumber }) => serialNumber)).toEqual(['K1']);
    expect(health).toMatchObject({ events: 5, gaps: 0, duplicates: 0 });
    expect(stateOf(health, 'watcher')).toMatchObject({ state: watcher });
  });
});

describe('a daemon that is started again', () => {
  it('tells of what has changed meanwhile, a replug into the same port included, and of nothing else', async () => {
    const outcomes = [];
    const keyboard = '1 046d c31c 2 1 K1 Keyboard';
    // A mouse comes at another time; then it is not there.
    for (const mouse of ['2 046d c077 3 2 M1 Mouse', '2 046d c077 3 5 M1 Mouse', null]) {
      writeFileSync(join(project, 'restart.txt'), [keyboard, ...(mouse ? [mouse] : []), '.', ''].join('\n'));
      outcomes.push(await said({ TEST_OUTBOX: 'restart.db', TEST_PRESENT: mouse ? 'K1,M1' : 'K1', USB_BED_DEVICES: 'restart.txt' }, 'restart.mjs'));
    }
    // Devices have no order among each other.
    expect(outcomes.map((told) => told.toSorted())).toEqual([
      ['attach K1 startup', 'attach M1 startup'],
      ['attach K1 startup', 'attach M1 missed-while-down', 'detach M1 missed-while-down'],
      ['attach K1 startup', 'detach M1 missed-while-down'],
    ]);
    expect(outcomes[1].filter((told) => told.includes('M1'))).toEqual(['detach M1 missed-while-down', 'attach M1 missed-while-down']);
  });
});

describe('the command line on Windows', () => {
  it('says its version', async () => {
    expect(await command({}, '--version')).toMatchObject({ status: 0, stdout: `usb-daemon ${version}\n`, stderr: '' });
  });

  it('has simulated devices come and go', async () => {
    const { status, stdout } = await command({}, 'simulate', '--no-redis', '--json', '--rate', '1000');
    const types = stdout.trim().split('\n').map((line) => JSON.parse(line).type);
    expect({ status, detached: types.filter((type) => type === 'detach').length }).toEqual({ status: 0, detached: 4 });
  });

  it('lists what there is, and says where that cannot be had', async () => {
    writeFileSync(join(project, 'listed.txt'), '3 046d c31c 4 1 K3 Keyboard\n.\n');
    const { status, stdout } = await command({ USB_BED_DEVICES: 'listed.txt' }, 'list', '--json');
    expect({ status, listed: stdout.trim().split('\n').map((line) => JSON.parse(line).serialNumber) }).toEqual({ status: 0, listed: ['K3'] });
    const hanging = await command({ USB_BED_CFGMGR32: 'hangs' }, 'list', '--json');
    expect(hanging).toMatchObject({ status: 1, stderr: expect.stringContaining('a hub or a device does not answer') });
  });

  it('finds out what a daemon would find', async () => {
    const { status, stdout } = await command({}, 'doctor', '--json', '--no-redis');
    const findings = stdout.trim().split('\n').map((line) => JSON.parse(line));
    expect({ status, failed: findings.filter(({ grade }) => grade === 'fail') }).toEqual({ status: 0, failed: [] });
    expect(findings.map(({ subject }) => subject)).toEqual(expect.arrayContaining(['usb bus', 'libusb', 'outbox', 'clock', 'redis']));
  });
});
