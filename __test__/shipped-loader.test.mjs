// What is said where no addon loads: each cause is named, with what to do about it.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PLATFORMS, fileOf, packageOf, platformHere } from '../scripts/addons.mjs';
import { bundle } from '../scripts/bundle.mjs';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const here = platformHere();
const LOADER = ['native.js', 'native-refusal.js'];

/** JavaScript as it is shipped. */
let shipped;
/** A project with the package, as npm lays it out, less the addon. */
let project;

beforeAll(async () => {
  shipped = mkdtempSync(join(tmpdir(), 'usb-daemon-shipped-'));
  await bundle(shipped);
});
afterAll(() => rmSync(shipped, { recursive: true, force: true }));

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'usb-daemon-loader-'));
  const place = join(project, 'node_modules/@autoweave/usb-daemon/js');
  mkdirSync(place, { recursive: true });
  for (const file of LOADER) cpSync(join(shipped, 'js', file), join(place, file));
});

afterEach(() => rmSync(project, { recursive: true, force: true }));

/** Puts the package of a platform there, with these bytes for an addon. */
function installed(platform, addon) {
  const place = join(project, 'node_modules', packageOf(platform));
  mkdirSync(place);
  cpSync(join(checkout, 'npm', platform.name, 'package.json'), join(place, 'package.json'));
  writeFileSync(join(place, fileOf(platform)), addon);
}

/** Loads it in a Node that takes itself for what `disguise`, some JavaScript, makes of it. */
function load(disguise = '') {
  const libc = (version) => `process.report.getReport = () => ({ header: { ${version} }, sharedObjects: ['/lib/ld-musl-x86_64.so.1'] });`;
  const become = (key, value) => `Object.defineProperty(process, '${key}', { value: ${JSON.stringify(value)} });`;
  const script = typeof disguise === 'function' ? disguise({ libc, become }) : disguise;
  const code = `${script}
    try { require('./node_modules/@autoweave/usb-daemon/js/native.js'); console.log('loaded'); }
    catch (error) { console.log(error.code); console.log(error.message); }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', code], { cwd: project, encoding: 'utf8' });
  const [outcome, ...message] = (stdout + stderr).trim().split('\n');
  return [outcome, message.join('\n')];
}

const failsToLoad = (message) => `require('node:module')._extensions['.node'] = () => { throw new Error(${JSON.stringify(message)}); };`;
const onX64 = ({ become }) => become('platform', 'linux') + become('arch', 'x64');

it('loads the package of its platform where that is installed', () => {
  installed(here, readFileSync(join(checkout, 'js', fileOf(here))));
  expect(load()).toEqual(['loaded', '']);
});

it('names platform, processor, libc and Node', () => {
  const [code, message] = load((as) => onX64(as) + as.libc("glibcVersionRuntime: '2.36'"));
  expect(code).toBe('ERR_USB_ADDON');
  expect(message).toContain(`no addon that loads here (linux, x64, glibc 2.36, Node ${process.versions.node})`);
});

it('tells of optional dependencies that were left out, and of a lock file from another platform', () => {
  const [, message] = load();
  expect(message).toContain(`${packageOf(here)} is not installed`);
  expect(message).toContain('--omit=optional');
  expect(message).toContain('remove package-lock.json and node_modules');
});

it('tells of node_modules that come from another platform', () => {
  installed({ name: 'darwin-arm64' }, 'for macOS');
  const [, message] = load();
  expect(message).toContain(`@autoweave/usb-daemon-darwin-arm64 is installed, ${packageOf(here)} is not`);
  expect(message).toContain('remove node_modules and install again on this machine');
});

it('tells that a checkout has not been built', () => {
  writeFileSync(join(project, 'node_modules/@autoweave/usb-daemon/Cargo.toml'), '');
  expect(load()[1]).toContain('This checkout has not been built: "npm run build"');
});

it('tells which platforms there are where this one is none', () => {
  const [code, message] = load(({ become }) => become('platform', 'freebsd') + become('arch', 'riscv64'));
  expect(code).toBe('ERR_USB_ADDON');
  expect(message).toContain('(freebsd, riscv64, Node');
  for (const { name } of PLATFORMS) expect(message).toContain(name);
  expect(message).toContain('"npm run build"');
});

it('tells where the processor has a package, but not with this libc', () => {
  const [, message] = load((as) => as.become('platform', 'linux') + as.become('arch', 'arm') + as.libc(''));
  expect(message).toContain('There is no package for linux arm with musl: use a system with glibc');
});

it('takes musl for what it is', () => {
  const [, message] = load((as) => onX64(as) + as.libc(''));
  expect(message).toContain('(linux, x64, musl, Node');
  expect(message).toContain('@autoweave/usb-daemon-linux-x64-musl is not installed');
});

it.each([
  ["/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.28' not found (required by /x.node)", 'It needs glibc 2.28 or newer, and this is 2.17'],
  ['libusb-1.0.so.0: cannot open shared object file: No such file or directory', 'It needs the library libusb-1.0.so.0, which is not there'],
  ['Error loading shared library libgcc_s.so.1: No such file or directory (needed by /x.node)', 'It needs the library libgcc_s.so.1, which is not there'],
  ['Error relocating /x.node: _dl_find_object: symbol not found', 'It needs a symbol that the libc or the Node of this process does not have'],
  ['/x.node: failed to map segment from shared object', 'mounted with noexec'],
])('what the dynamic linker says is told with its remedy: %s', (said, told) => {
  installed(PLATFORMS.find(({ name }) => name === 'linux-x64-gnu'), '');
  const [code, message] = load((as) => onX64(as) + as.libc("glibcVersionRuntime: '2.17'") + failsToLoad(said));
  expect(code).toBe('ERR_USB_ADDON');
  expect(message).toContain('@autoweave/usb-daemon-linux-x64-gnu is installed and does not load. ');
  expect(message).toContain(told);
  expect(message).toContain(`Tried: `);
  expect(message).toContain(said);
});

it('tells of a file that is not whole', () => {
  installed(here, 'version https://git-lfs.github.com/spec/v1');
  const [, message] = load();
  expect(message).toContain('is installed and does not load. Its file cannot be loaded (is it whole?)');
});

it('tells of a Node that is too old', () => {
  const [, message] = load(`Object.defineProperty(process.versions, 'node', { value: '18.20.4' });`);
  expect(message).toContain('Node 18.20.4 is too old: use Node 20 or newer');
});

describe('the command line', () => {
  /** Runs it in the project, whose loader has no addon. */
  function commandLine(...args) {
    const bin = join(project, 'node_modules/@autoweave/usb-daemon/bin/usb-daemon.js');
    cpSync(join(checkout, 'bin/usb-daemon.js'), bin);
    return spawnSync(process.execPath, [bin, ...args], { cwd: project, encoding: 'utf8' });
  }

  it('says it in one line, as any other error, and fails', () => {
    const { status, stdout, stderr } = commandLine('list');
    expect(stderr).toMatch(/^error: @autoweave\/usb-daemon has no addon that loads here \(.*\[ERR_USB_ADDON\]\n$/);
    expect([status, stdout]).toEqual([1, '']);
  });

  it('keeps it one line where the dynamic linker says two', () => {
    installed(here, 'no library');
    const loader = join(project, 'node_modules/@autoweave/usb-daemon/js/native.js');
    writeFileSync(loader, `${failsToLoad('one\r\n  two')}\n${readFileSync(loader, 'utf8')}`);
    expect(commandLine('list').stderr).toMatch(/^error: .*: one two; .*\[ERR_USB_ADDON\]\n$/);
  });

  it('does not hide another fault', () => {
    writeFileSync(join(project, 'node_modules/@autoweave/usb-daemon/js/native.js'), "throw new TypeError('a fault');");
    const { status, stderr } = commandLine('list');
    expect([status, stderr]).toEqual([1, expect.stringMatching(/TypeError: a fault\n +at /)]);
  });
});
