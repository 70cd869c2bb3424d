// The shell scripts of this repository, as shellcheck reads them.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: checkout, encoding: 'utf8' }).trim().split('\n');
const isShell = (file) => /^#!.*\b(sh|bash|dash)$/.test(readFileSync(join(checkout, file), 'utf8').split('\n', 1)[0]) || file.endsWith('.sh');
// Its shell is busybox's, which shellcheck takes for another one.
const scripts = tracked.filter((file) => isShell(file) && file !== '__test__/beds/qemu/guest/init');

it.each(scripts)('%s is as shellcheck wants it', (script) => {
  const { status, stdout } = spawnSync(join(checkout, '.cache/tools/bin/shellcheck'), ['-x', script], { cwd: checkout, encoding: 'utf8' });
  expect([stdout, status]).toEqual(['', 0]);
});
