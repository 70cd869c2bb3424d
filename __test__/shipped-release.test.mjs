// The scripts that a release is made with: versions, notes, checksums, and what is published in which order. What they talk to is
// not here: npm talks to a registry of the test's own, and gh, docker and helm are stand-ins that write down what they are asked.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { npmRegistry } from './release/npm-registry.mjs';
import { standIns } from './release/stand-ins.mjs';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
const script = (name) => join(checkout, 'scripts', name);

let folder;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'usb-daemon-release-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function run(program, args, { env = {}, ...options } = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, ...env }, ...options });
  return { status, stdout, stderr };
}

/** A copy of what names a version, so that a test can change it. */
function copyOfManifests() {
  for (const path of ['package.json', 'package-lock.json', 'Cargo.toml', 'Cargo.lock', 'CHANGELOG.md', 'npm', 'scripts/release', 'deploy']) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(checkout, path), join(folder, path), { recursive: true });
  }
}

/** What the chart and the images say of the version. */
function addDeployment() {
  for (const [path, text] of [['helm/Chart.yaml', `name: x\nversion: ${version}\nappVersion: "${version}"\n`], ['container/Dockerfile', `FROM x\nARG VERSION=${version}\n`]]) {
    mkdirSync(dirname(join(folder, 'deploy', path)), { recursive: true });
    writeFileSync(join(folder, 'deploy', path), text);
  }
}

function change(path, from, to) {
  const text = readFileSync(join(folder, path), 'utf8');
  expect(text).toMatch(from);
  writeFileSync(join(folder, path), text.replace(from, to));
}

describe('the version', () => {
  it('is one in all files of this checkout', () => {
    expect(run('node', [script('release/version.mjs')])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  it.each([
    ['package-lock.json', /"version": "[^"]+"/, '"version": "9.9.9"'],
    ['Cargo.toml', /^version = ".+"$/m, 'version = "9.9.9"'],
    ['Cargo.lock', /(name = "usb-daemon-core"\nversion = ").+"/, '$19.9.9"'],
    ['npm/linux-x64-gnu/package.json', /"version": "[^"]+"/, '"version": "9.9.9"'],
    ['deploy/helm/Chart.yaml', /^appVersion: .+$/m, 'appVersion: 9.9.9'],
    ['deploy/container/Dockerfile', /^ARG VERSION=.+$/m, 'ARG VERSION=9.9.9'],
  ])('that %s names is the one of package.json', (path, from, to) => {
    copyOfManifests();
    addDeployment();
    change(path, from, to);
    const { status, stderr } = run('node', [join(folder, 'scripts/release/version.mjs')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(new RegExp(`^error: ${path}.* says 9\\.9\\.9, package\\.json ${version}\n$`));
  });

  it('is the one of the tag, and the changelog has a section for it', () => {
    copyOfManifests();
    const check = (tag) => run('node', [join(folder, 'scripts/release/version.mjs'), tag]);
    expect(check(`v${version}`)).toMatchObject({ status: 1, stderr: `error: CHANGELOG.md says nothing of version ${version}\n` });
    change('CHANGELOG.md', '## Unreleased', `## Unreleased\n\n## ${version} - 2026-12-24`);
    expect(check(`v${version}`)).toMatchObject({ status: 0, stdout: `${version}\n` });
    expect(check('v9.9.9')).toMatchObject({ status: 1, stderr: `error: the tag is v9.9.9, package.json says ${version}\n` });
    expect(check(version)).toMatchObject({ status: 1 });
  });

  it('is set everywhere at once, and takes what the changelog calls unreleased', () => {
    copyOfManifests();
    addDeployment();
    const set = (to) => run('node', [join(folder, 'scripts/release/version.mjs'), '--set', to]);
    expect(set('7.8.9')).toEqual({ status: 0, stdout: '7.8.9\n', stderr: '' });
    expect(run('node', [join(folder, 'scripts/release/version.mjs'), 'v7.8.9'])).toMatchObject({ status: 0 });
    expect(readFileSync(join(folder, 'CHANGELOG.md'), 'utf8')).toMatch(/## Unreleased\n\n## 7\.8\.9 - \d{4}-\d\d-\d\d\n\n### Added\n/);
    expect(readFileSync(join(folder, 'Cargo.lock'), 'utf8').split('7.8.9').length).toBeGreaterThan(4);
    expect(set('7.8.9')).toMatchObject({ status: 1, stderr: 'error: CHANGELOG.md has a section for 7.8.9 already\n' });
    expect(set('next')).toMatchObject({ status: 1, stderr: 'error: next is no version\n' });
  });
});

describe('the notes', () => {
  const notes = (tag) => run('node', [join(folder, 'scripts/release/notes.mjs'), tag]);

  it('of a release are what the changelog says of it, and nothing of its neighbors', () => {
    copyOfManifests();
    writeFileSync(join(folder, 'CHANGELOG.md'), '# Changelog\n\n## Unreleased\n- later\n\n## [1.2.0] - 2026-12-24\n\n### Added\n- this\n\n## 1.1.0\n- before\n');
    expect(notes('v1.2.0')).toEqual({ status: 0, stdout: '### Added\n- this\n', stderr: '' });
    expect(notes('v1.1.0').stdout).toBe('- before\n');
  });

  it('are refused where the changelog says nothing of the version', () => {
    copyOfManifests();
    writeFileSync(join(folder, 'CHANGELOG.md'), '# Changelog\n\n## 1.2.0\n\n## 1.2.0-rc.1\n- before\n');
    expect(notes('v1.2.0')).toMatchObject({ status: 1, stdout: '', stderr: 'error: CHANGELOG.md says nothing of version "1.2.0"\n' });
    expect(notes('v1.2')).toMatchObject({ status: 1 });
  });
});

describe('the checksums', () => {
  const checksums = () => run('sh', [script('release/checksums.sh'), folder]);
  const check = () => run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder });

  it('are of every file, and hold until one is changed', () => {
    writeFileSync(join(folder, 'b.tgz'), 'b');
    writeFileSync(join(folder, 'a file.json'), 'a');
    expect(checksums()).toMatchObject({ status: 0 });
    expect(checksums()).toMatchObject({ status: 0 });
    expect(check()).toMatchObject({ status: 0, stdout: 'a file.json: OK\nb.tgz: OK\n' });
    appendFileSync(join(folder, 'b.tgz'), 'x');
    expect(check()).toMatchObject({ status: 1 });
  });

  it('are refused of nothing, and of what is no file', () => {
    expect(checksums()).toMatchObject({ status: 1, stderr: expect.stringContaining('has no file') });
    mkdirSync(join(folder, 'more'));
    expect(checksums()).toMatchObject({ status: 1, stderr: 'checksums: more is no file\n' });
  });
});

describe('the symbols', () => {
  const FILES = ['usb-daemon.linux-x64-gnu.node', 'usb-daemon.linux-x64-gnu.debug', 'usb-daemon.darwin-x64.node', 'usb-daemon.darwin-x64.dSYM'];
  const archive = () => join(folder, `symbols/usb-daemon-${version}-symbols.tar.gz`);
  const symbols = () => run('sh', [script('release/symbols.sh'), join(folder, 'addons'), join(folder, 'symbols')]);

  beforeEach(() => {
    mkdirSync(join(folder, 'addons/usb-daemon.darwin-x64.dSYM'), { recursive: true });
    writeFileSync(join(folder, 'addons/usb-daemon.darwin-x64.dSYM/Info.plist'), '');
    for (const name of FILES.slice(0, 3)) writeFileSync(join(folder, 'addons', name), name);
  });

  it('of all addons are in one archive, the same for the same files', () => {
    expect(symbols()).toEqual({ status: 0, stdout: '', stderr: '' });
    const first = readFileSync(archive());
    const names = execFileSync('tar', ['-tzf', archive()], { encoding: 'utf8' }).trim().split('\n');
    expect(names).toEqual(['usb-daemon.darwin-x64.dSYM/', 'usb-daemon.darwin-x64.dSYM/Info.plist', 'usb-daemon.linux-x64-gnu.debug']);
    utimesSync(join(folder, 'addons/usb-daemon.linux-x64-gnu.debug'), 1, 1);
    symbols();
    expect(readFileSync(archive()).equals(first)).toBe(true);
  });

  it('are refused where an addon has none', () => {
    rmSync(join(folder, 'addons/usb-daemon.linux-x64-gnu.debug'));
    expect(symbols()).toMatchObject({ status: 1, stderr: 'symbols: usb-daemon.linux-x64-gnu.node has none beside it\n' });
  });
});

describe('publishing', () => {
  const MAIN = '@autoweave/usb-daemon';
  const PLATFORMS = ['linux-x64-gnu', 'win32-x64-msvc'].map((each) => `${MAIN}-${each}`);
  let registry;

  beforeEach(async () => {
    registry = await npmRegistry();
    writeFileSync(join(folder, 'npmrc'), registry.npmrc);
    mkdirSync(join(folder, 'packages'));
  });
  afterEach(() => registry.close());

  /** Packs a package that has nothing but its manifest. */
  function pack(name, more = {}) {
    mkdirSync(join(folder, 'package'), { recursive: true });
    writeFileSync(join(folder, 'package/package.json'), JSON.stringify({ name, version: '1.2.3', license: 'MIT', ...more }));
    const file = `${name.replace('@', '').replace('/', '-')}-1.2.3.tgz`;
    execFileSync('tar', ['-czf', join(folder, 'packages', file), '-C', folder, 'package']);
  }

  function packAll(more = {}) {
    pack(MAIN, { optionalDependencies: Object.fromEntries(PLATFORMS.map((name) => [name, more.version ?? '1.2.3'])), ...more });
    for (const name of PLATFORMS) pack(name, more);
  }

  async function publish(...options) {
    return publishWith(['--no-provenance', ...options]);
  }

  async function publishWith(options, more = {}) {
    const env = { ...process.env, ...more, NPM_CONFIG_USERCONFIG: join(folder, 'npmrc'), NPM_CONFIG_CACHE: join(folder, 'cache') };
    // Not synchronous: the registry answers in this process.
    const child = spawn('node', [script('release/publish.mjs'), ...options, join(folder, 'packages')], { env });
    const text = { stdout: '', stderr: '' };
    for (const each of ['stdout', 'stderr']) child[each].on('data', (data) => (text[each] += data));
    const [status] = await once(child, 'close');
    return { status, ...text };
  }

  it('takes the platforms first, passes over what is there already, and stops where that is another one', async () => {
    packAll();
    expect(await publish()).toMatchObject({ status: 0, stderr: '' });
    const all = [...PLATFORMS, MAIN];
    expect(registry.published).toEqual(all.map((name) => `${name}@1.2.3 latest`));
    expect(await publish()).toEqual({ status: 0, stdout: all.map((name) => `${name}@1.2.3 is there already\n`).join(''), stderr: '' });
    expect(registry.published).toHaveLength(3);
    pack(PLATFORMS[1], { description: 'changed' });
    const { status, stderr } = await publish();
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: @autoweave\/usb-daemon-win32-x64-msvc@1\.2\.3 is there already and is another one/);
    // Between two releases every change has the version of the last one.
    const tried = await publish('--dry-run');
    expect(tried).toMatchObject({ status: 0, stdout: expect.stringContaining(`${PLATFORMS[1]}@1.2.3 is there already, as another one\n`) });
  });

  it('publishes nothing where it only tries, and would give what comes before a release a tag of its own', async () => {
    packAll({ version: '1.2.3-rc.1' });
    const { status, stdout } = await publish('--dry-run');
    expect([status, registry.published]).toEqual([0, []]);
    expect(stdout).toContain(`${MAIN}@1.2.3-rc.1 would be published as next\n`);
  });

  it('with provenance is of the repository that each package names, or of nothing', async () => {
    packAll({ repository: { type: 'git', url: 'git+https://github.com/AutoWeave/usb-daemon.git' } });
    pack(PLATFORMS[0]);
    const { status, stderr } = await publishWith([], { GITHUB_REPOSITORY: 'autoweave/usb-daemon' });
    expect([status, registry.published]).toEqual([1, []]);
    expect(stderr).toBe(`error: ${PLATFORMS[0]} names no repository, and github.com/autoweave/usb-daemon publishes it\n`);
  });

  it.each([
    ['lacks a package that is asked for', () => rmSync(join(folder, 'packages/autoweave-usb-daemon-win32-x64-msvc-1.2.3.tgz')), 'which is not there'],
    ['has one that is not asked for', () => pack(`${MAIN}-sunos-x64`), 'does not ask for @autoweave/usb-daemon-sunos-x64'],
    ['has one of another version', () => pack(PLATFORMS[0], { version: '1.2.2' }), 'and 1.2.2 is there'],
    ['has one that runs a script where it is installed', () => pack(PLATFORMS[0], { scripts: { postinstall: 'true' } }), 'runs postinstall'],
    ['asks for no platform', () => pack(MAIN), "asks for no platform's package"],
  ])('publishes nothing at all of a set that %s', async (_, spoil, message) => {
    packAll();
    spoil();
    const { status, stderr } = await publish();
    expect([status, registry.published]).toEqual([1, []]);
    expect(stderr).toContain(message);
  });
});

describe('the release on GitHub', () => {
  function release(tag, view) {
    copyOfManifests();
    change('CHANGELOG.md', '## Unreleased', '## 1.2.3\n- new\n\n## 1.2.3-rc.1\n- nearly new\n\n## Unreleased');
    mkdirSync(join(folder, 'files'));
    writeFileSync(join(folder, 'files/SHA256SUMS'), '');
    writeFileSync(join(folder, 'files/a b.tgz'), '');
    const { env, calls } = standIns(folder, { gh: `case "$2" in view) exit ${view} ;; create) cat "$8" ;; esac` });
    const result = run('sh', [join(folder, 'scripts/release/github.sh'), tag, join(folder, 'files')], { env });
    return { ...result, calls: calls().map((call) => call.replaceAll(folder, '').replace(/--notes-file \S+/, '--notes-file NOTES')) };
  }

  it('has the words of the changelog and every file', () => {
    expect(release('v1.2.3', 1)).toEqual({
      status: 0,
      stdout: '- new\n',
      stderr: '',
      calls: ['gh release view v1.2.3', 'gh release create v1.2.3 --verify-tag --title v1.2.3 --notes-file NOTES /files/SHA256SUMS /files/a b.tgz'],
    });
  });

  it('is marked where it comes before one', () => {
    expect(release('v1.2.3-rc.1', 1)).toMatchObject({ status: 0, calls: [expect.anything(), expect.stringContaining(' --prerelease ')] });
  });

  it('that is there already gets its files again', () => {
    expect(release('v1.2.3', 0).calls.at(-1)).toBe('gh release upload v1.2.3 --clobber /files/SHA256SUMS /files/a b.tgz');
  });

  it('is not made without words', () => {
    expect(release('v9.9.9', 1)).toMatchObject({ status: 1, calls: [] });
  });
});

describe('the container registry', () => {
  const DIGEST = `sha256:${'ab'.repeat(32)}`;
  const WORKFLOW = { GITHUB_REPOSITORY: 'AutoWeave/usb-daemon', GITHUB_ACTOR: 'someone', REGISTRY_TOKEN: 'secret-of-the-test' };

  function push(name, args, answers = {}) {
    const asked = 'case "$*" in *password-stdin*) cat >>"$0.password" ;; *inspect*) echo "$DIGEST" ;; esac';
    const { env, calls } = standIns(folder, { docker: asked, helm: `case "$1" in package) touch "$4/chart.tgz" ;; esac\n${asked}` });
    const output = join(folder, 'output');
    const result = run('sh', [script(`release/${name}`), ...args], { env: { ...env, ...WORKFLOW, DIGEST, GITHUB_OUTPUT: output, ...answers } });
    return { ...result, calls: calls(), output };
  }

  it('gets an image for each processor, with its provenance, and the password on no command line', () => {
    const { status, calls } = push('image.sh', ['alpine', 'linux/arm64']);
    expect(status).toBe(0);
    expect(calls[0]).toBe('docker login --username someone --password-stdin ghcr.io');
    expect(calls.join()).not.toContain(WORKFLOW.REGISTRY_TOKEN);
    expect(readFileSync(join(folder, 'bin/docker.password'), 'utf8')).toBe(WORKFLOW.REGISTRY_TOKEN);
    expect(calls.at(-1)).toMatch(/^docker buildx build --file deploy\/container\/Dockerfile\.alpine --platform linux\/arm64 .*--provenance=mode=max --sbom=true /);
    expect(calls.at(-1)).toContain(` --tag ghcr.io/autoweave/usb-daemon:${version}-alpine-arm64 --push .`);
  });

  it('gets one name for those of all processors, whose digest the next step is told', () => {
    const { status, calls, output } = push('image-index.sh', ['bookworm']);
    const name = `ghcr.io/autoweave/usb-daemon:${version}`;
    expect(status).toBe(0);
    expect(calls).toContain(`docker buildx imagetools create --tag ${name} ${name}-amd64 ${name}-arm64`);
    expect(readFileSync(output, 'utf8')).toBe(`name=ghcr.io/autoweave/usb-daemon\ndigest=${DIGEST}\n`);
  });

  it('gets no name for what has no digest, and no variant that there is not', () => {
    expect(push('image-index.sh', ['bookworm'], { DIGEST: '' })).toMatchObject({ status: 1 });
    rmSync(join(folder, 'bin'), { recursive: true });
    expect(push('image.sh', ['nanoserver', 'linux/amd64'])).toMatchObject({ status: 1, stderr: expect.stringContaining('no variant nanoserver') });
  });

  it('gets the chart', () => {
    const { status, calls } = push('chart.sh', []);
    expect(status).toBe(0);
    expect(calls[0]).toMatch(/^helm package deploy\/helm --destination /);
    expect(calls.at(-1)).toMatch(/^helm push \S+\/chart\.tgz oci:\/\/ghcr\.io\/autoweave\/charts$/);
  });
});
