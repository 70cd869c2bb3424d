// What is shipped for each platform that this machine can build for and run: built, looked at, installed and used in a Node of that
// platform. Half an hour of building the first time, so only npm run test:full does it; USB_DAEMON_TARGETS=linux-x64-musl,… names some.

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDONS, OLDEST_GLIBC, PLATFORMS, checkout, copyPackage, fileOf, packageOf } from '../scripts/addons.mjs';
import { MAX_BYTES } from '../scripts/npm-packages.mjs';
import { serveRegistry, tarballsOf } from './npm-registry.mjs';
import { runToEnd } from './run-to-end.mjs';

const MAIN = '@autoweave/usb-daemon';
const BEDS = join(checkout, '.cache/cross/beds');
const PROGRAM = join(checkout, 'scripts/smoke-program.mjs');
const MINUTES = 60_000;
/** What there is on a path without a compiler. */
const NATIVE_NODE = join(checkout, '.cache/node/20.0.0/bin/node');
const NODES = {
  'linux-x64-gnu': NATIVE_NODE,
  'linux-x64-musl': join(BEDS, 'linux-x64-musl/run'),
  'linux-arm64-gnu': join(BEDS, 'linux-arm64-gnu/run'),
  'linux-arm64-musl': join(BEDS, 'linux-arm64-musl/run'),
  'linux-arm-gnueabihf': join(BEDS, 'linux-arm-gnueabihf/run'),
};
const asked = (process.env.USB_DAEMON_TARGETS ?? '1') === '1' ? Object.keys(NODES) : process.env.USB_DAEMON_TARGETS.split(',');
const platforms = PLATFORMS.filter(({ name }) => asked.includes(name));

let folder;
let packages;
let registry;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'usb-daemon-targets-'));
  execFileSync('sh', [join(checkout, 'scripts/cross/beds.sh')], { stdio: 'inherit' });
  for (const { name } of platforms) execFileSync('sh', [join(checkout, 'scripts/cross/build.sh'), name], { stdio: 'inherit' });
  // Too large is the matter of one test below, and the others tell more than a refusal.
  execFileSync(process.execPath, [join(checkout, 'scripts/pack.mjs'), '--any-size', '--into', join(folder, 'tarballs')], { stdio: 'inherit' });
  packages = tarballsOf(join(folder, 'tarballs'));
  registry = await serveRegistry(packages);
}, 180 * MINUTES);

afterAll(() => {
  registry?.close();
  rmSync(folder, { recursive: true, force: true });
});

const readelf = (...args) => execFileSync('readelf', ['-W', ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 });
const isNewer = (version, than) => version.localeCompare(than, 'en', { numeric: true }) > 0;

describe.each(platforms)('$name', (platform) => {
  const addon = join(ADDONS, fileOf(platform));

  it('needs no library but the libc, and none of its functions that is newer than promised', () => {
    const needed = [...readelf('-d', addon).matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name);
    const libc = platform.libc === 'musl' ? /^libc\.so$/ : /^(libc|libm|libpthread|libdl|librt|libutil)\.so\.\d$|^ld-linux/;
    expect(needed.filter((name) => !libc.test(name))).toEqual([]);
    const versions = [...readelf('-V', addon).matchAll(/GLIBC_([\d.]+)/g)].map(([, version]) => version);
    expect(versions.length > 0).toBe(platform.libc === 'glibc');
    expect(versions.filter((version) => isNewer(version, OLDEST_GLIBC))).toEqual([]);
  });

  it('has its symbols in a file of their own, which fits and is not packed', () => {
    const symbols = addon.replace(/\.node$/, '.debug');
    const link = Buffer.from([...readelf('-x', '.gnu_debuglink', addon).matchAll(/^ +0x\w+ ((?:[0-9a-f]+ ){1,4})/gm)].map(([, words]) => words).join('').replaceAll(' ', ''), 'hex');
    expect(link.toString('latin1')).toContain(`usb-daemon.${platform.name}.debug\0`);
    expect(link.readUInt32LE(link.length - 4)).toBe(crc32(readFileSync(symbols)));
    expect(readelf('-S', addon)).not.toMatch(/\.symtab|\.debug_/);
    expect(readelf('-S', symbols)).toMatch(/\.debug_line/);
    expect(packages.find(({ manifest }) => manifest.name === packageOf(platform)).files.map(({ path }) => path)).not.toContain(basename(symbols));
  });

  it('has a part of its code apart, for what every daemon runs', () => {
    const [first, rest] = ['.text.first', '.text'].map((name) => Number.parseInt(readelf('-S', addon).match(new RegExp(` \\${name} +PROGBITS +\\w+ \\w+ (\\w+)`))?.[1], 16));
    expect(first / (first + rest)).toBeGreaterThan(0.2);
    expect(first / (first + rest)).toBeLessThan(0.4);
  });

  it('takes no more of the disk than is promised', () => {
    const { files } = packages.find(({ manifest }) => manifest.name === packageOf(platform));
    expect(files.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(MAX_BYTES);
  });

  it('is installed into an empty project and works there, on a path that has Node and npm', { timeout: 15 * MINUTES }, async () => {
    const path = join(folder, platform.name);
    const project = join(folder, `${platform.name}-project`);
    for (const each of [path, project]) mkdirSync(each);
    const npm = realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim());
    for (const [name, line] of [['node', NODES[platform.name]], ['npm', `node '${npm}'`]]) {
      writeFileSync(join(path, name), `#!/bin/sh\nexec ${line} "$@"\n`, { mode: 0o755 });
    }
    const env = { PATH: path, HOME: folder, npm_config_cache: join(path, 'cache'), npm_config_update_notifier: 'false' };
    writeFileSync(join(project, 'package.json'), '{ "private": true }');
    copyFileSync(PROGRAM, join(project, 'program.mjs'));

    // npm asks /usr/bin/ldd which libc there is, and that is this machine's.
    const args = ['install', `--libc=${platform.libc}`, '--registry', registry.url, '--no-audit', '--no-fund', '--loglevel=error', MAIN];
    expect(await runToEnd(project, env, 'npm', ...args)).toMatchObject({ status: 0 });
    const there = PLATFORMS.filter((each) => existsSync(join(project, 'node_modules', packageOf(each)))).map(({ name }) => name);
    expect(there).toEqual([platform.name]);

    const { status, stdout, stderr } = await runToEnd(project, env, 'node', 'program.mjs');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const installed = join(project, 'node_modules', packageOf(platform), fileOf(platform));
    expect(JSON.parse(stdout)).toEqual({ seen: ['attach Mouse', 'detach Mouse'], durable: true, arch: platform.cpu, addon: [installed] });
    const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
    const command = await runToEnd(project, { ...env, PATH: `${path}:/usr/bin:/bin` }, 'node_modules/.bin/usb-daemon', '--version');
    expect(command).toMatchObject({ status: 0, stdout: `usb-daemon ${version}\n` });
  });
});

/** Starts a daemon, and says which part of its addon's code is in its memory. */
const RESIDENT = `
  const { USBDaemon } = require('.');
  const daemon = new USBDaemon({ outbox: { path: process.argv[1] } });
  daemon.start().then(() => {
    const maps = require('fs').readFileSync('/proc/self/smaps', 'utf8').split(/^(?=\\w+-\\w+ )/m).filter((map) => /^\\S+ r-xp .*\\.node$/m.test(map));
    const [size, rss] = ['Size', 'Rss'].map((key) => maps.reduce((sum, map) => sum + Number(new RegExp('^' + key + ': +(\\\\d+)', 'm').exec(map)[1]), 0));
    console.log(JSON.stringify({ maps: maps.length, part: rss / size }));
    return daemon.stop();
  });`;

describe.each(platforms.filter(({ name }) => name === 'linux-x64-gnu'))('$name', (platform) => {
  // Nine tenths where functions lie as they come; a third on a machine with USB and Redis, where they were recorded. CONTRIBUTING.md says how
  // they are recorded anew.
  it('leaves a third of its code out of memory, at least, once it has started', () => {
    const place = join(folder, 'resident');
    copyFileSync(join(ADDONS, fileOf(platform)), copyPackage(place, platform));
    const resident = JSON.parse(execFileSync(NATIVE_NODE, ['-e', RESIDENT, join(place, 'outbox.db')], { cwd: place, encoding: 'utf8' }));
    expect(resident.maps).toBe(1);
    expect(resident.part).toBeLessThan(0.67);
  });
});
