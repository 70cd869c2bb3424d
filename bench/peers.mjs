// The peers, from npm: installed into a scratch folder, in the versions of peers/package-lock.json.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, readdir, lstat, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const wanted = fileURLToPath(new URL('./peers/', import.meta.url));

/** Installs the peers once, and gives the `node_modules` folder that has them: `usb2`, `usb3`, `usb-detection`, `ioredis`, `redis`, `vega`, `vega-lite`. */
export async function peerFolder(folder) {
  const home = join(folder, 'peers');
  await mkdir(home, { recursive: true });
  const lock = await readFile(join(wanted, 'package-lock.json'), 'utf8');
  const mark = join(home, 'installed.json');
  if ((await readFile(mark, 'utf8').catch(() => '')) !== lock) {
    for (const name of ['package.json', 'package-lock.json']) await copyFile(join(wanted, name), join(home, name));
    // usb-detection brings no compiled addon for a Node of today: it is built here.
    await run('npm', ['ci', '--prefix', home, '--no-audit', '--no-fund'], { maxBuffer: 64 << 20 }).catch((error) => {
      throw new Error(`the peers cannot be installed: ${error.stderr || error.message}; sh scripts/setup/bench.sh installs what they are built with`);
    });
    await writeFile(mark, lock);
  }
  return join(home, 'node_modules');
}

/** Compiles the C program that listens by libusb alone, and gives its path. */
export async function libusbProgram(folder) {
  const { stdout } = await run('pkg-config', ['--cflags', '--libs', 'libusb-1.0']);
  return compiled('libusb.c', join(folder, 'libusb-listener'), stdout.trim().split(/\s+/));
}

/** Compiles the addon in C that does no more than it must, by the headers that come with this Node, and gives its path. */
export async function floorAddon(folder) {
  const headers = join(dirname(process.execPath), '../include/node');
  if (!existsSync(join(headers, 'node_api.h'))) throw new Error(`${headers} has no node_api.h: this Node has come without its headers; one from nodejs.org has them`);
  return compiled('floor.c', join(folder, 'floor.node'), ['-shared', '-fPIC', `-I${headers}`]);
}

/** Compiles one of the programs in C to `output`, and gives that. */
async function compiled(name, output, flags) {
  const source = fileURLToPath(new URL(`./programs/${name}`, import.meta.url));
  await run('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', output, source, ...flags, '-lpthread']);
  return output;
}

/** Installs packages alone, as a user does, and gives how many there are, and their size in bytes. */
export async function installedSize(folder, packages) {
  const home = join(folder, 'sizes', packages.join('+').replace(/[^\w.+-]/g, '_'));
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'package.json'), '{"private":true}');
  await run('npm', ['install', '--prefix', home, '--no-audit', '--no-fund', ...packages], { maxBuffer: 64 << 20 });
  const { packages: installed } = JSON.parse(await readFile(join(home, 'node_modules/.package-lock.json'), 'utf8'));
  return { packages: Object.keys(installed).length, bytes: await sizeOf(join(home, 'node_modules')) };
}

async function sizeOf(path) {
  const status = await lstat(path);
  if (!status.isDirectory()) return status.size;
  const sizes = await Promise.all((await readdir(path)).map((name) => sizeOf(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
