// What a release publishes, and in which order. What the scripts talk to is not here: npm talks to a registry of the test's own, and gh,
// docker and helm are stand-ins that write down what they are asked.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyOfManifests, makeFolder, removeFolder, run, script, version } from './release/checkout-copy.mjs';
import { npmRegistry } from './release/npm-registry.mjs';
import { standIns } from './release/stand-ins.mjs';

let folder;
beforeEach(() => {
  folder = makeFolder();
});
afterEach(() => removeFolder(folder));

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
    const change = copyOfManifests(folder);
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

describe('an image that is tried', () => {
  const tried = (variant, answers) => {
    const docker = `case "$1" in run) echo a-container ;; exec) exit $HEALTH ;; inspect) echo $CODE ;; esac`;
    const { env, calls } = standIns(folder, { docker, sleep: ':' });
    const result = run('sh', [script('container/try.sh'), variant], { env: { ...env, HEALTH: '0', CODE: '0', ...answers } });
    return { ...result, calls: calls() };
  };

  it('is built, runs without a right, is asked how it is, ends, and is pushed nowhere', () => {
    const { status, calls } = tried('alpine');
    expect(status).toBe(0);
    expect(calls[0]).toMatch(/^docker buildx build --file deploy\/container\/Dockerfile\.alpine .*--load/);
    expect(calls[1]).toMatch(/^docker run .*--read-only --cap-drop ALL --security-opt no-new-privileges /);
    expect(calls.slice(2).map((call) => call.split(' ')[1])).toEqual(['exec', 'stop', 'inspect', 'rm']);
    expect(calls.join()).not.toMatch(/push|login/);
  });

  it.each([
    ['does not get healthy', { HEALTH: '1' }, 'try: it does not get healthy\n'],
    ['does not end in good order', { CODE: '137' }, 'try: it ended with 137\n'],
  ])('and %s is refused, and taken away', (_, answers, message) => {
    const { status, stderr, calls } = tried('bookworm', answers);
    expect([status, stderr, calls.at(-1)]).toEqual([1, message, 'docker rm --force --volumes a-container']);
  });

  it('is one of two', () => {
    expect(tried('nanoserver')).toMatchObject({ status: 2, calls: [] });
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
