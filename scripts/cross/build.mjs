// Called by build.sh, once .cache/cross holds the tools.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OLDEST_GLIBC, PLATFORMS, SMALL_STD, checkout, libraryOf, ship } from '../addons.mjs';

/** Not shipped: Windows' side of the code, as far as it can be seen here. */
const WINDOWS = { name: 'win32-x64-gnu', os: 'win32', cpu: 'x64', target: 'x86_64-pc-windows-gnu' };

const cross = join(checkout, '.cache/cross');
const asked = process.argv[2];
const platform = [...PLATFORMS.filter(({ os }) => os === 'linux'), WINDOWS].find(({ name }) => name === asked);
if (!platform) {
  console.error(`error: cannot build ${asked} here`);
  process.exit(2);
}
const { libc, os, target } = platform;
const variable = (name) => `CARGO_TARGET_${target.toUpperCase().replaceAll('-', '_')}_${name}`;

const env = { ...process.env, PATH: `${join(cross, 'zig')}:${process.env.PATH}`, RUSTC: join(cross, 'rust/rustc'), RUSTC_BOOTSTRAP: '1' };
const args = ['--lib', '--profile', 'dist', ...SMALL_STD];
// Nothing of Rust's is unwound through C.
env[`CFLAGS_${target.replaceAll('-', '_')}`] = '-fno-asynchronous-unwind-tables -fno-unwind-tables';
// What Node loads must share its libc.
if (libc === 'musl') env[variable('RUSTFLAGS')] = '-Ctarget-feature=-crt-static';
if (os === 'win32') {
  env[variable('LINKER')] = 'x86_64-w64-mingw32-gcc';
  env.LIBNODE_PATH = standInForNode();
  execFileSync('cargo', ['build', ...args, '--target', target], { cwd: checkout, env, stdio: 'inherit' });
} else {
  execFileSync('cargo', ['zigbuild', ...args, '--target', libc === 'glibc' ? `${target}.${OLDEST_GLIBC}` : target], { cwd: checkout, env, stdio: 'inherit' });
}
console.error(`build: ${ship(platform, libraryOf(platform, target, 'dist'))}`);

/** What napi-build links with: a Node that exports nothing, because the addon looks its functions up in the process. */
function standInForNode() {
  const folder = join(cross, 'libnode');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'libnode.dll'), '');
  writeFileSync(join(folder, 'node.def'), 'LIBRARY node.exe\nEXPORTS\n');
  execFileSync('x86_64-w64-mingw32-dlltool', ['--def', 'node.def', '--output-lib', 'libnode.a'], { cwd: folder });
  return folder;
}
