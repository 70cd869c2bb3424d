// The scripts that a release is made with: its version, its notes, its checksums, its symbols.

import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyOfManifests, makeFolder, removeFolder, run, script, version } from './release/checkout-copy.mjs';

let folder;
beforeEach(() => {
  folder = makeFolder();
});
afterEach(() => removeFolder(folder));

describe('the version', () => {
  it('is one in all files of this checkout', () => {
    expect(run('node', [script('release/version.mjs')])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  it.each([
    ['package-lock.json', /"version": "[^"]+"/, '"version": "9.9.9"'],
    ['Cargo.toml', /^version = ".+"$/m, 'version = "9.9.9"'],
    ['Cargo.lock', /(name = "usb-daemon-core"\nversion = ").+"/, '$19.9.9"'],
    ['fuzz/Cargo.lock', /(name = "usb-daemon-core"\nversion = ").+"/, '$19.9.9"'],
    ['npm/linux-x64-gnu/package.json', /"version": "[^"]+"/, '"version": "9.9.9"'],
    ['deploy/helm/Chart.yaml', /^appVersion: .+$/m, 'appVersion: 9.9.9'],
    ['deploy/compose.yaml', /usb-daemon:\d[^}]*/, 'usb-daemon:9.9.9'],
    ['deploy/container/Dockerfile', /^ARG VERSION=.+$/m, 'ARG VERSION=9.9.9'],
  ])('that %s names is the one of package.json', (path, from, to) => {
    const change = copyOfManifests(folder);
    change(path, from, to);
    const { status, stderr } = run('node', [join(folder, 'scripts/release/version.mjs')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(new RegExp(`^error: ${path}.* says 9\\.9\\.9, package\\.json ${version}\n$`));
  });

  /** As it is once CONTRIBUTING.md's "Once, before the first one" has been done. */
  const nameRepository = (change) => change('package.json', '  "license"', '  "repository": { "type": "git", "url": "git+https://git.example/daemon.git" },\n  "license"');

  it('is the one of the tag, and the changelog has a section for it', () => {
    const change = copyOfManifests(folder);
    nameRepository(change);
    const check = (tag) => run('node', [join(folder, 'scripts/release/version.mjs'), tag]);
    expect(check(`v${version}`)).toMatchObject({ status: 1, stderr: `error: CHANGELOG.md says nothing of version ${version}\n` });
    change('CHANGELOG.md', '## Unreleased', `## Unreleased\n\n## ${version} - 2026-12-24`);
    expect(check(`v${version}`)).toMatchObject({ status: 0, stdout: `${version}\n` });
    expect(check('v9.9.9')).toMatchObject({ status: 1, stderr: `error: the tag is v9.9.9, package.json says ${version}\n` });
    expect(check(version)).toMatchObject({ status: 1 });
  });

  it('is released only where the package names its repository, which npm wants for the provenance', () => {
    const change = copyOfManifests(folder);
    change('CHANGELOG.md', '## Unreleased', `## Unreleased\n\n## ${version} - 2026-12-24`);
    const check = () => run('node', [join(folder, 'scripts/release/version.mjs'), `v${version}`]);
    expect(check()).toMatchObject({ status: 1, stderr: expect.stringMatching(/^error: package\.json names no repository, and npm refuses .*\n$/) });
    nameRepository(change);
    expect(check()).toMatchObject({ status: 0 });
  });

  it('is set everywhere at once, and takes what the changelog calls unreleased', () => {
    nameRepository(copyOfManifests(folder));
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
    copyOfManifests(folder);
    writeFileSync(join(folder, 'CHANGELOG.md'), '# Changelog\n\n## Unreleased\n- later\n\n## [1.2.0] - 2026-12-24\n\n### Added\n- this\n\n## 1.1.0\n- before\n');
    expect(notes('v1.2.0')).toEqual({ status: 0, stdout: '### Added\n- this\n', stderr: '' });
    expect(notes('v1.1.0').stdout).toBe('- before\n');
  });

  it('are refused where the changelog says nothing of the version', () => {
    copyOfManifests(folder);
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
