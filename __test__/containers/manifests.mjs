// The Dockerfiles and the compose file, taken apart.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../daemon.mjs';

/** A program of scripts/setup/tools.sh. */
export function tool(name, args, env = {}) {
  const { status, stdout, stderr } = spawnSync(join(packageRoot, '.cache/tools/bin', name), args, { cwd: packageRoot, encoding: 'utf8', env: { PATH: process.env.PATH, ...env } });
  return { status, stdout, stderr };
}

/** Both secrets that deploy/compose.yaml asks for. */
export const SECRETS = { REDIS_PASSWORD: 'of redis', USB_DAEMON_HTTP_TOKEN: 'of the daemon' };

/** What docker-compose makes of deploy/compose.yaml. */
export function compose(env = SECRETS) {
  const { status, stdout, stderr } = tool('docker-compose', ['-f', 'deploy/compose.yaml', 'config', '--format', 'json'], env);
  return { status, stderr, services: status === 0 ? JSON.parse(stdout).services : undefined, networks: status === 0 ? JSON.parse(stdout).networks : undefined };
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
