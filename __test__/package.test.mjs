// What the package promises about itself.

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import Default, { USBDaemon, defaultConfig } from '@autoweave/usb-daemon';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

it('gives the same class to import and require, as default, by name and as the module itself', () => {
  const required = require('@autoweave/usb-daemon');
  expect(Default).toBe(USBDaemon);
  expect(required).toBe(USBDaemon);
  expect(required.USBDaemon).toBe(USBDaemon);
  expect(require(checkout)).toBe(USBDaemon);
  expect(required.defaultConfig).toBe(defaultConfig);
});

it('links neither libudev nor libusb of the system', () => {
  const addon = readdirSync(join(checkout, 'js')).find((name) => name.endsWith('.node'));
  const needed = execFileSync('readelf', ['-d', join(checkout, 'js', addon)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('(NEEDED)'))
    .map((line) => line.match(/\[(.+)\]/)[1]);
  expect(needed).toContain('libc.so.6');
  expect(needed.filter((name) => /udev|usb/.test(name))).toEqual([]);
});

it('says which platform it has no addon for, and what to do', () => {
  const folder = mkdtempSync(join(tmpdir(), 'usb-daemon-loader-'));
  try {
    copyFileSync(join(checkout, 'js/native.js'), join(folder, 'native.js'));
    const { stderr, status } = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(join(folder, 'native.js'))})`], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain(`no addon that loads on ${process.platform} ${process.arch}`);
    expect(stderr).toContain('npm run build');
    expect(stderr).toContain("code: 'ERR_USB_ADDON'");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('has no runtime dependency and no install script', () => {
  const { dependencies, scripts } = require('@autoweave/usb-daemon/package.json');
  expect(dependencies).toBeUndefined();
  expect(Object.keys(scripts).filter((name) => /install|prepare/.test(name))).toEqual([]);
});

it('gives everything that require gives to import, by the same name', async () => {
  const imported = await import('@autoweave/usb-daemon');
  const named = Object.keys(require('@autoweave/usb-daemon'));
  expect(Object.keys(imported).sort()).toEqual(named.sort());
});

/** What npm and its launcher need, and a program that is run. */
const ON_THE_PATH = ['node', 'npm', 'sh', 'env'];
const COMPILERS = ['cc', 'c++', 'gcc', 'g++', 'clang', 'ld', 'cargo', 'rustc', 'make', 'cmake', 'python', 'python3', 'node-gyp', 'pkg-config'];

/** A folder that has links to these programs, as the only one of a PATH. */
function barePath(folder) {
  mkdirSync(folder);
  for (const name of ON_THE_PATH) {
    const found = name === 'node' ? process.execPath : execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
    symlinkSync(realpathSync(found), join(folder, name));
  }
  return folder;
}

describe('the tarball', () => {
  let folder;
  let tarball;
  let env;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'usb-daemon-tarball-'));
    env = { ...process.env, PATH: barePath(join(folder, 'bin')) };
    const name = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: checkout, env, encoding: 'utf8' });
    tarball = join(folder, name.trim());
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs a program in the project that has nothing but the package, on a path that has nothing but Node and npm. */
  function run(program, ...args) {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, env, encoding: 'utf8' });
    return { status, stdout, stderr };
  }

  it('meets no compiler and no build tool on that path', () => {
    const found = (name) => run('sh', '-c', `command -v ${name}`).stdout.trim();
    expect(COMPILERS.filter((name) => found(name) !== '')).toEqual([]);
    expect(ON_THE_PATH.map(found)).toEqual(ON_THE_PATH.map((name) => join(folder, 'bin', name)));
  });

  it('is what publint expects of a package', async () => {
    const { buffer, byteOffset, byteLength } = readFileSync(tarball);
    const { messages, pkg } = await publint({ pack: { tarball: buffer.slice(byteOffset, byteOffset + byteLength) } });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  it('has the types that each way of resolution finds', () => {
    const attw = join(checkout, 'node_modules/.bin/attw');
    const { status, stdout } = run(attw, '--no-definitely-typed', '--format', 'ascii', tarball);
    expect([status, stdout]).toEqual([0, expect.stringContaining('No problems found')]);
  });

  it('installs into an empty project and runs there from ESM, CommonJS and TypeScript', () => {
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    expect(run('npm', 'install', '--offline', '--no-audit', '--no-fund', '--silent', tarball)).toMatchObject({ status: 0 });
    const body = `
      const daemon = await createUSBDaemon({ sources: ['simulated'], redis: false, monitoring: { enabled: false } });
      daemon.simulateAttach({ name: '201-1', product: 'Mouse' });
      const { product } = await daemon.waitFor({ portPath: '1' });
      await daemon.stop();
      console.log(product);
    `;
    writeFileSync(join(folder, 'esm.mjs'), `import { createUSBDaemon } from '@autoweave/usb-daemon';${body}`);
    writeFileSync(join(folder, 'cjs.cjs'), `const { createUSBDaemon } = require('@autoweave/usb-daemon'); (async () => {${body}})();`);
    writeFileSync(join(folder, 'ts.mts'), `import { createUSBDaemon } from '@autoweave/usb-daemon';${body.replace('{ product }', '{ product }: { product?: string }')}`);
    const options = ['--module', 'nodenext', '--target', 'es2022', '--strict', '--types', 'node', '--typeRoots', join(checkout, 'node_modules/@types')];
    expect(run(join(checkout, 'node_modules/.bin/tsc'), ...options, 'ts.mts')).toMatchObject({ status: 0, stdout: '' });
    for (const file of ['esm.mjs', 'cjs.cjs', 'ts.mjs']) {
      expect([file, run(process.execPath, file)]).toEqual([file, { status: 0, stdout: 'Mouse\n', stderr: '' }]);
    }
  });
});
