// A copy of what names this project's version, so that a test can change it and see what the scripts of a release say.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

export const checkout = fileURLToPath(new URL('../..', import.meta.url));
export const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
export const script = (name) => join(checkout, 'scripts', name);

export function run(program, args, { env = {}, ...options } = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, ...env }, ...options });
  return { status, stdout, stderr };
}

export const makeFolder = () => mkdtempSync(join(tmpdir(), 'usb-daemon-release-'));
export const removeFolder = (folder) => rmSync(folder, { recursive: true, force: true });

/** What names the version, with a chart and an image whether or not the checkout has them; gives what changes a file of it. */
export function copyOfManifests(folder) {
  for (const path of ['package.json', 'package-lock.json', 'Cargo.toml', 'Cargo.lock', 'fuzz/Cargo.lock', 'CHANGELOG.md', 'npm', 'scripts/release']) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(checkout, path), join(folder, path), { recursive: true });
  }
  for (const [path, text] of [['helm/Chart.yaml', `name: x\nversion: ${version}\nappVersion: "${version}"\n`], ['compose.yaml', `services:\n  x:\n    image: \${USB_DAEMON_IMAGE:-autoweave-usb-daemon:${version}}\n`], ['container/Dockerfile', `FROM x\nARG VERSION=${version}\n`]]) {
    mkdirSync(dirname(join(folder, 'deploy', path)), { recursive: true });
    writeFileSync(join(folder, 'deploy', path), text);
  }
  return (path, from, to) => {
    const text = readFileSync(join(folder, path), 'utf8');
    expect(text).toMatch(from);
    writeFileSync(join(folder, path), text.replace(from, to));
  };
}
