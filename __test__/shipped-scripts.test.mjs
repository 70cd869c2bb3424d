// The shell scripts of this repository, as shellcheck reads them, and what setting up shows.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: checkout, encoding: 'utf8' }).trim().split('\n');
const isShell = (file) => /^#!.*\b(sh|bash|dash)$/.test(readFileSync(join(checkout, file), 'utf8').split('\n', 1)[0]) || file.endsWith('.sh');
// Its shell is busybox's, which shellcheck takes for another one.
const scripts = tracked.filter((file) => isShell(file) && file !== '__test__/beds/qemu/guest/init');

it.each(scripts)('%s is as shellcheck wants it', (script) => {
  const { status, stdout } = spawnSync(join(checkout, '.cache/tools/bin/shellcheck'), ['-x', script], { cwd: checkout, encoding: 'utf8' });
  expect([stdout, status]).toEqual(['', 0]);
});

describe('building at the first start', () => {
  /** Runs build.sh in a checkout of its own, where `npm run build` says this; `watched`: on a terminal. */
  function build({ code, watched }) {
    const place = mkdtempSync(join(tmpdir(), 'usb-daemon-setup-'));
    onTestFinished(() => rmSync(place, { recursive: true, force: true }));
    cpSync(join(checkout, 'scripts/setup'), join(place, 'scripts/setup'), { recursive: true });
    for (const folder of ['bin', 'js', 'node_modules']) mkdirSync(join(place, folder));
    for (const file of ['package-lock.json', 'node_modules/.package-lock.json']) writeFileSync(join(place, file), '{}');
    for (const tool of ['cargo', 'cc']) writeFileSync(join(place, 'bin', tool), '', { mode: 0o755 });
    writeFileSync(join(place, 'bin/npm'), `#!/bin/sh\necho 'Compiling serde' >&2\nexit ${code}\n`, { mode: 0o755 });
    const script = join(place, 'scripts/setup/build.sh');
    const [program, ...args] = watched ? ['script', '-qec', `sh ${script}`, '/dev/null'] : ['sh', script];
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, PATH: `${join(place, 'bin')}:${process.env.PATH}` } });
    return [status, (stdout + stderr).replaceAll('\r', '').split('\n').slice(1, -1)];
  }

  it('shows cargo’s progress on a terminal', () => {
    expect(build({ code: 0, watched: true })).toEqual([0, ['Compiling serde']]);
    expect(build({ code: 1, watched: true })).toEqual([1, ['Compiling serde']]);
  });

  it('shows it elsewhere only where it fails', () => {
    expect(build({ code: 0 })).toEqual([0, []]);
    expect(build({ code: 1 })).toEqual([1, ['Compiling serde']]);
  });
});

describe('the kernel that the tests boot', () => {
  /** Runs qemu-kernel.sh in a checkout of its own, whose cache has a kernel with these files, and where apt has nothing to give. */
  function fetch(files) {
    const place = mkdtempSync(join(tmpdir(), 'usb-daemon-setup-'));
    onTestFinished(() => rmSync(place, { recursive: true, force: true }));
    cpSync(join(checkout, 'scripts/setup'), join(place, 'scripts/setup'), { recursive: true });
    const script = join(place, 'scripts/setup/qemu-kernel.sh');
    const kernel = join(place, '.cache/qemu/kernel');
    mkdirSync(kernel, { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(kernel, name), text ?? readFileSync(script));
    mkdirSync(join(place, 'bin'));
    writeFileSync(join(place, 'bin/apt-cache'), '#!/bin/sh\n', { mode: 0o755 });
    const { status, stderr } = spawnSync('sh', [script], { encoding: 'utf8', env: { ...process.env, PATH: `${join(place, 'bin')}:${process.env.PATH}` } });
    return [status, stderr, readdirSync(join(place, '.cache/qemu')), readdirSync(kernel)];
  }
  const refusal = 'qemu-kernel: apt knows no linux-image-amd64; run apt-get update\n';

  it('is left alone where this version of the script has put it there', () => {
    expect(fetch({ release: '6.1', 'made-by': undefined })).toEqual([0, '', ['kernel'], ['made-by', 'release']]);
  });

  it('is fetched anew where another version has, and stays as long as that fails', () => {
    expect(fetch({ release: '6.1' })).toEqual([1, refusal, ['kernel'], ['release']]);
    expect(fetch({ release: '6.1', 'made-by': '#!/bin/sh\n' })).toEqual([1, refusal, ['kernel'], ['made-by', 'release']]);
  });
});
