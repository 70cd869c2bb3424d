// What npm gets, and what a user gets from it: the tarballs, and an installation from a registry that has nothing else.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PLATFORMS, fileOf, packageOf, platformHere } from '../scripts/addons.mjs';
import { faultyManifests } from '../scripts/npm-packages.mjs';
import { COMPILERS, ON_THE_PATH, barePath } from './bare-path.mjs';
import { serveRegistry, tarballsOf } from './npm-registry.mjs';
import { runToEnd } from './run-to-end.mjs';

const MAIN = '@autoweave/usb-daemon';
const checkout = fileURLToPath(new URL('..', import.meta.url));
const here = platformHere();

/** What a user of the package needs. A new file that is none of this is looked at before it is let in. */
const NEEDED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  /^(index|usb)\.(js|mjs|d\.ts|d\.mts)$/,
  /^js\/(asked|native|native-refusal|telemetry)\.js$/,
  /^js\/(consumer|event-publisher)\.d\.ts$/,
  /^types\/[a-z]+\.d\.ts$/,
  /^bin\/usb-daemon\.js$/,
  /^usb-daemon\.schema\.json$/,
  /^docs\/(CAPABILITIES|CONFIGURATION|CONTAINERS|DRIVERS|GUARANTEES|MIGRATING|MONITORING|SERVICE|operations)\.md$/,
  /^deploy\/(grafana\/usb-daemon\.json|prometheus\/(prometheus|rules)\.yml|systemd\/autoweave-usb[a-z-]*@?\.(service|socket|path|default|sysusers|tmpfiles))$/,
];

/** `*` is any part of one name. */
const matchesGlob = (path, pattern) => new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`).test(path);

/** The environment of npm and of what is installed: the user's own settings say nothing. */
let env;
let folder;
let packages;
let registry;
let said;

/** Runs a program in a folder, beside the registry that this process serves. */
const run = (cwd, program, ...args) => runToEnd(cwd, env, program, ...args);

const install = (project, ...options) =>
  run(project, 'npm', 'install', '--registry', registry.url, '--no-audit', '--no-fund', '--loglevel=error', ...options, MAIN);

function emptyProject() {
  const project = mkdtempSync(join(folder, 'project-'));
  writeFileSync(join(project, 'package.json'), '{ "private": true }');
  return project;
}

const installedIn = (project) => readdirSync(join(project, 'node_modules/@autoweave')).map((name) => `@autoweave/${name}`).sort();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'usb-daemon-packages-'));
  env = { PATH: barePath(join(folder, 'bin')), HOME: folder, npm_config_cache: join(folder, 'cache'), npm_config_update_notifier: 'false' };
  // Packed: the addon of this checkout, and for each other platform what has its name and its package.json.
  const addons = join(folder, 'addons');
  mkdirSync(addons);
  copyFileSync(join(checkout, 'js', fileOf(here)), join(addons, fileOf(here)));
  const tarballs = join(folder, 'tarballs');
  said = execFileSync(process.execPath, [join(checkout, 'scripts/pack.mjs'), '--addons', addons, '--into', tarballs, '--any-size'], { encoding: 'utf8' });
  const others = PLATFORMS.filter((each) => each !== here);
  for (const each of others) {
    const place = join(folder, each.name);
    mkdirSync(place);
    copyFileSync(join(checkout, 'npm', each.name, 'package.json'), join(place, 'package.json'));
    writeFileSync(join(place, fileOf(each)), 'a stand-in');
  }
  execFileSync('npm', ['pack', ...others.map(({ name }) => `./${name}`), '--loglevel=error', '--pack-destination', tarballs], { cwd: folder, stdio: 'pipe' });
  packages = tarballsOf(tarballs);
  registry = await serveRegistry(packages);
});

afterAll(() => {
  registry?.close();
  rmSync(folder, { recursive: true, force: true });
});

const packageNamed = (name) => packages.find(({ manifest }) => manifest.name === name);

describe('the tarballs', () => {
  it('are made of the addons that are there; what makes the others is said', () => {
    const names = (which) => PLATFORMS.filter((each) => each !== here && which(each)).map(({ name }) => name).join(', ');
    expect(said.split('\n').slice(1, -1)).toEqual([
      `pack: no addon for ${names(({ os }) => os === 'linux')}: made by sh scripts/cross/build.sh NAME`,
      `pack: no addon for ${names(({ os }) => os !== 'linux')}: made by node scripts/build.mjs --dist on that system`,
    ]);
  });

  it('have the manifests that the table of platforms and the version ask for', () => {
    expect(faultyManifests()).toEqual([]);
    expect(packages.map(({ manifest }) => manifest.name).sort()).toEqual([MAIN, ...PLATFORMS.map(packageOf)].sort());
  });

  it('hold nothing that a user does not need', () => {
    const unneeded = packageNamed(MAIN).files.filter(({ path }) => !NEEDED.some((pattern) => pattern.test(path)));
    expect(unneeded).toEqual([]);
    const own = packageNamed(packageOf(here)).files.map(({ path }) => path);
    expect(own.sort()).toEqual(['LICENSE', 'README.md', 'THIRD-PARTY-LICENSES.txt', 'package.json', fileOf(here)].sort());
  });

  it('hold what docs/SERVICE.md copies from them by hand', () => {
    const [, ...copied] = readFileSync(join(checkout, 'docs/SERVICE.md'), 'utf8').split('"$package"/');
    const inTarball = packageNamed(MAIN).files.map(({ path }) => path);
    const wanted = copied.map((rest) => rest.match(/^\S+/)[0]);
    expect(wanted).toContain('deploy/systemd/*.service');
    expect(wanted.filter((pattern) => !inTarball.some((path) => matchesGlob(path, pattern)))).toEqual([]);
  });

  it('run nothing where they are installed, and need nothing else', () => {
    for (const { manifest, files } of packages) {
      const { name, scripts, gypfile, dependencies, devDependencies } = manifest;
      expect({ name, scripts, gypfile, dependencies, devDependencies }).toEqual({ name });
      expect(files.filter(({ path }) => path.endsWith('.gyp'))).toEqual([]);
    }
  });

  it('ask for the package of each platform in exactly their own version', () => {
    const { version, optionalDependencies } = packageNamed(MAIN).manifest;
    expect(optionalDependencies).toEqual(Object.fromEntries(PLATFORMS.map((each) => [packageOf(each), version])));
  });

  it('name every crate that is linked, with the text of its license', () => {
    const text = execFileSync('tar', ['-xzOf', packageNamed(packageOf(here)).file, 'package/THIRD-PARTY-LICENSES.txt'], { encoding: 'utf8' });
    for (const part of ['libusb1-sys', 'GNU LESSER GENERAL PUBLIC LICENSE', 'ring ', 'redis ', 'Apache License', 'USB ID Repository', 'Permission is hereby granted']) expect(text).toContain(part);
    expect(text).not.toMatch(/usb-daemon-core|proptest|napi-derive|\/root\//);
    // Which only tests need on Linux.
    expect(/^nusb /m.test(text)).toBe(here.os !== 'linux');
  });

  it('are what publint expects', async () => {
    for (const name of [MAIN, packageOf(here)]) {
      const { buffer, byteOffset, byteLength } = readFileSync(packageNamed(name).file);
      const { messages, pkg } = await publint({ pack: { tarball: buffer.slice(byteOffset, byteOffset + byteLength) } });
      expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
    }
  });

  it('have the types that each way of resolution finds', async () => {
    const attw = join(checkout, 'node_modules/.bin/attw');
    const { status, stdout } = await run(folder, attw, '--no-definitely-typed', '--format', 'ascii', packageNamed(MAIN).file);
    expect([status, stdout]).toEqual([0, expect.stringContaining('No problems found')]);
  });
});

describe('an empty project on a path without a compiler', () => {
  let project;

  beforeAll(async () => {
    project = emptyProject();
    expect(await install(project)).toMatchObject({ status: 0, stderr: '' });
  });

  it('is on such a path', async () => {
    const found = async (name) => (await run(project, 'sh', '-c', `command -v ${name}`)).stdout.trim();
    for (const name of COMPILERS) expect([name, await found(name)]).toEqual([name, '']);
    for (const name of ON_THE_PATH) expect(await found(name)).toBe(join(folder, 'bin', name));
  });

  it('gets the package that people name and that of its platform, and fetches no other', () => {
    expect(installedIn(project)).toEqual([MAIN, packageOf(here)].sort());
    expect(registry.asked.filter((path) => path.endsWith('.tgz')).sort()).toEqual([`/${MAIN}.tgz`, `/${packageOf(here)}.tgz`].sort());
  });

  it.each([
    ['ESM', 'esm.mjs', `import { createUSBDaemon } from '${MAIN}';`],
    ['CommonJS', 'cjs.cjs', `const { createUSBDaemon } = require('${MAIN}');`],
    ['TypeScript', 'ts.mts', `import { createUSBDaemon } from '${MAIN}';`],
  ])('runs a daemon there from %s', { timeout: 180_000 }, async (language, file, head) => {
    const typed = language === 'TypeScript';
    writeFileSync(join(project, file), `${head}
      (async () => {
        const daemon = await createUSBDaemon({ sources: ['simulated'], redis: false, monitoring: { enabled: false } });
        daemon.simulateAttach({ name: '201-1', product: 'Mouse' });
        const { product }${typed ? ': { product?: string }' : ''} = await daemon.waitFor({ portPath: '1' });
        await daemon.stop();
        console.log(product);
      })();`);
    if (typed) {
      const options = ['--module', 'nodenext', '--target', 'es2022', '--strict', '--types', 'node', '--typeRoots', join(checkout, 'node_modules/@types')];
      expect(await run(project, join(checkout, 'node_modules/.bin/tsc'), ...options, file)).toMatchObject({ status: 0, stdout: '' });
    }
    expect(await run(project, 'node', file.replace(/ts$/, 'js'))).toEqual({ status: 0, stdout: 'Mouse\n', stderr: '' });
  });

  it('has the command', async () => {
    const { version } = packageNamed(MAIN).manifest;
    expect(await run(project, 'node_modules/.bin/usb-daemon', '--version')).toEqual({ status: 0, stdout: `usb-daemon ${version}\n`, stderr: '' });
  });
});

it.each(PLATFORMS)('on $name npm installs that package and no other', { timeout: 180_000 }, async ({ name, os, cpu, libc }) => {
  const project = emptyProject();
  expect(await install(project, `--os=${os}`, `--cpu=${cpu}`, ...(libc ? [`--libc=${libc}`] : []))).toMatchObject({ status: 0, stderr: '' });
  expect(installedIn(project)).toEqual([MAIN, `${MAIN}-${name}`].sort());
});
