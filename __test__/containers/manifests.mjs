// The Dockerfiles and the compose file, taken apart.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../daemon.mjs';

/** A program of scripts/setup/tools.sh. */
export function tool(name, args) {
  const { status, stdout, stderr } = spawnSync(join(packageRoot, '.cache/tools/bin', name), args, { cwd: packageRoot, encoding: 'utf8', env: { PATH: process.env.PATH } });
  return { status, stdout, stderr };
}

/** What docker-compose makes of deploy/compose.yaml. */
export function compose() {
  const { status, stdout, stderr } = tool('docker-compose', ['-f', 'deploy/compose.yaml', 'config', '--format', 'json']);
  if (status !== 0 || stderr !== '') throw new Error(`docker-compose: ${stderr}`);
  return JSON.parse(stdout);
}

/** A Dockerfile's instructions, each as [word, rest], without comments. */
export function instructions(name) {
  const text = readFileSync(join(packageRoot, 'deploy/container', name), 'utf8').replace(/^#.*\n/gm, '').replace(/\\\n\s*/g, '');
  return text.split('\n').filter((line) => line.trim() !== '').map((line) => [line.split(' ', 1)[0], line.slice(line.indexOf(' ') + 1).trim().replace(/\s+/g, ' ')]);
}

/** Those of the stage that becomes the image. */
export function lastStage(name) {
  const all = instructions(name);
  return all.slice(all.findLastIndex(([word]) => word === 'FROM'));
}
