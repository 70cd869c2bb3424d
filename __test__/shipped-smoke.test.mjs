// The smoke test that the workflows run on every system: whether it passes with good packages here, and fails with others.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { standIns } from './release/stand-ins.mjs';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const addon = readdirSync(join(checkout, 'js')).find((name) => name.endsWith('.node'));
const platform = /^usb-daemon\.(.+)\.node$/.exec(addon)[1];
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** What a folder holds as package/, in a tarball as npm makes them. */
const pack = (from, tarball) => execFileSync('tar', ['-czf', tarball, '-C', from, 'package']);

/** prepared/addon/package and prepared/main/package: the two packages, unpacked. */
let prepared;
beforeAll(() => {
  prepared = mkdtempSync(join(tmpdir(), 'usb-daemon-smoke-packages-'));
  cpSync(join(checkout, 'npm', platform), join(prepared, 'addon/package'), { recursive: true });
  cpSync(join(checkout, 'js', addon), join(prepared, 'addon/package', addon));
  pack(join(prepared, 'addon'), join(prepared, 'addon.tgz'));

  mkdirSync(join(prepared, 'main'));
  const name = execFileSync('npm', ['pack', '--silent', '--pack-destination', prepared], { cwd: checkout, encoding: 'utf8' }).trim();
  execFileSync('tar', ['-xzf', join(prepared, name), '-C', join(prepared, 'main')]);
  const main = join(prepared, 'main/package');
  rmSync(join(main, 'js', addon), { force: true });
  const manifest = readJson(join(main, 'package.json'));
  writeFileSync(join(main, 'package.json'), JSON.stringify({ ...manifest, optionalDependencies: { [`${manifest.name}-${platform}`]: manifest.version } }));
});
afterAll(() => rmSync(prepared, { recursive: true, force: true }));

let folder;
let packages;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'usb-daemon-smoke-test-'));
  packages = join(folder, 'packages');
  mkdirSync(packages);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Adds the package of this platform, with the addon of this checkout. */
const addAddon = () => cpSync(join(prepared, 'addon.tgz'), join(packages, 'addon.tgz'));

/** Adds the main package, without an addon of its own; `spoil` may change a file of it. */
function addMain(spoil = () => {}) {
  cpSync(join(prepared, 'main'), join(folder, 'main'), { recursive: true });
  spoil(join(folder, 'main/package'));
  pack(join(folder, 'main'), join(packages, 'main.tgz'));
}

function smoke() {
  const { status, stdout, stderr } = spawnSync('node', ['scripts/smoke.mjs', packages], { cwd: checkout, encoding: 'utf8' });
  return { status, stdout, stderr };
}

describe('the smoke test', () => {
  it('passes with the packages of this checkout, and says what it ran on', () => {
    addAddon();
    addMain();
    const { version } = readJson(join(checkout, 'package.json'));
    expect(smoke()).toEqual({
      status: 0,
      stdout: expect.stringContaining(`smoke: @autoweave/usb-daemon-${platform} ${version} works on linux ${process.arch}`),
      stderr: '',
    });
  });

  it('fails where no package is for this platform', () => {
    addMain();
    expect(smoke()).toMatchObject({ status: 1, stderr: expect.stringMatching(/has 0 package for linux/) });
  });

  it('fails where the addon is not that of the platform', () => {
    addAddon();
    addMain((from) => cpSync(join(checkout, 'js', addon), join(from, 'js', addon)));
    expect(smoke()).toMatchObject({ status: 1, stderr: expect.stringContaining(`not that of @autoweave/usb-daemon-${platform}`) });
  });

  it('fails where a file of the package is missing', () => {
    addAddon();
    addMain((from) => rmSync(join(from, 'js/daemon.js')));
    expect(smoke()).toMatchObject({ status: 1, stderr: expect.stringContaining('daemon') });
  });
});

describe('in a container', () => {
  function inContainer(...args) {
    const { env, calls } = standIns(folder, { docker: '' });
    const { status } = spawnSync('sh', ['scripts/smoke-in.sh', ...args], { cwd: checkout, env: { ...process.env, ...env } });
    return { status, calls: calls() };
  }

  it('it has no network, no right, and nothing of the checkout but the packages', () => {
    const { status, calls } = inContainer('node:20-alpine', 'linux/arm64', packages);
    expect(status).toBe(0);
    expect(calls).toHaveLength(1);
    const call = calls[0];
    expect(call).toMatch(/^docker run --rm --platform linux\/arm64 --network none --user 65534:65534 --cap-drop ALL --security-opt no-new-privileges --read-only /);
    const mounts = [...call.matchAll(/--volume (\S+)/g)].map(([, mount]) => mount);
    const programs = ['smoke.mjs', 'smoke-program.mjs'].map((name) => `${join(checkout, 'scripts', name)}:/${name}:ro`);
    expect(mounts).toEqual([...programs, `${packages}:/packages:ro`]);
    expect(call).toMatch(/ node:20-alpine node \/smoke\.mjs \/packages$/);
  });

  it('it is refused where the packages are not there', () => {
    expect(inContainer('node:20-alpine', 'linux/amd64', join(folder, 'missing'))).toMatchObject({ status: 2, calls: [] });
  });
});
