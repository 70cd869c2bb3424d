// On what, with what and when something was measured.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('..', import.meta.url));

export function machine() {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    processor: cpus()[0]?.model ?? 'unknown',
    processors: cpus().length,
    memory: totalmem(),
    kernel: release(),
    node: process.version,
    load: loadavg(),
    versions: peerVersions(),
  };
}

/** With `+` where files differ from it. */
function commit() {
  const git = (...args) => execFileSync('git', args, { cwd: checkout, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+');
  } catch {
    return 'unknown';
  }
}

function peerVersions() {
  const { packages } = JSON.parse(readFileSync(new URL('./peers/package-lock.json', import.meta.url), 'utf8'));
  const wanted = Object.keys(packages[''].dependencies);
  return Object.fromEntries(wanted.map((name) => [name, packages[`node_modules/${name}`].version]));
}
