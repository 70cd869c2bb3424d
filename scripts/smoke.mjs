// Installs the packed packages into an empty project, as a user would, and sees whether they work on this machine: the addon is
// the platform's own, smoke-program.mjs finds what it should, and the command runs. Needs Node and npm, and no network.
//
//   node scripts/smoke.mjs [dist/npm]

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = '@autoweave/usb-daemon';
/** What is run in the project. */
const PROGRAM = fileURLToPath(new URL('smoke-program.mjs', import.meta.url));
const { platform, arch, version: node } = process;
const windows = platform === 'win32';
const { glibcVersionRuntime: glibc } = platform === 'linux' ? process.report.getReport().header : {};
const libc = platform === 'linux' ? (glibc ? 'glibc' : 'musl') : undefined;

/** npm is a script of the shell's on Windows. */
const options = (cwd) => ({ cwd, encoding: 'utf8', timeout: 300_000, stdio: ['ignore', 'pipe', 'inherit'] });
const npm = (cwd, ...args) => execFileSync(windows ? 'npm.cmd' : 'npm', args, { ...options(cwd), shell: windows });
const run = (cwd, ...args) => execFileSync(process.execPath, args, options(cwd));

/** What a tarball's package says of itself. */
function packed(folder, file) {
  // A name without a path: the tar of Windows' own shells takes "D:" for a host.
  return { file: join(folder, file), ...JSON.parse(execFileSync('tar', ['-xzOf', file, 'package/package.json'], options(folder))) };
}

function fitsHere(each) {
  return each.os?.includes(platform) && each.cpu?.includes(arch) && (!each.libc || each.libc.includes(libc));
}

function expectEqual(what, found, wanted) {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
}

function smoke(folder) {
  const packages = readdirSync(folder).filter((name) => name.endsWith('.tgz')).map((name) => packed(folder, name));
  const main = packages.find(({ name }) => name === MAIN);
  const own = packages.filter(fitsHere);
  if (!main || own.length !== 1) throw new Error(`${folder} has ${main ? own.length : 'no main package, and not one'} package for ${platform} ${arch} ${libc ?? ''}`);

  const project = mkdtempSync(join(tmpdir(), 'usb-daemon-smoke-'));
  try {
    writeFileSync(join(project, 'package.json'), '{ "private": true }');
    copyFileSync(PROGRAM, join(project, 'program.mjs'));
    npm(project, 'install', '--offline', '--no-audit', '--no-fund', '--loglevel=error', own[0].file, main.file);

    const { seen, durable, addon } = JSON.parse(run(project, 'program.mjs'));
    expectEqual('events', seen, ['attach Mouse', 'detach Mouse']);
    expectEqual('the outbox is on disk', durable, true);
    expectEqual('addons that were loaded', addon.map((file) => basename(file)), [own[0].main]);
    if (!addon[0].includes(basename(own[0].name))) throw new Error(`the addon is ${addon[0]}, not that of ${own[0].name}`);

    const command = join(project, 'node_modules', ...MAIN.split('/'), main.bin['usb-daemon']);
    expectEqual('--version', run(project, command, '--version').trim(), `usb-daemon ${main.version}`);
    const lines = run(project, command, 'simulate', '--no-redis', '--json', '--rate', '1000').trim().split('\n').map((line) => JSON.parse(line));
    expectEqual('detaches of simulate', lines.filter(({ type }) => type === 'detach').length, 4);
    console.log(`smoke: ${own[0].name} ${main.version} works on ${platform} ${arch}${libc ? ` ${glibc ? `glibc ${glibc}` : libc}` : ''}, Node ${node}`);
  } finally {
    // Windows keeps a loaded addon's file for a moment after its process.
    rmSync(project, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

try {
  smoke(resolve(process.argv[2] ?? 'dist/npm'));
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
