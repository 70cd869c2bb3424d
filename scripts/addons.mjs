// What cargo's library becomes: the addon beside its loader, or the one that is shipped, with its symbols in a file of its own.

import { execFileSync } from 'node:child_process';
import { cpSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const { OLDEST_GLIBC, OLDEST_NODE, PLATFORMS, fileOf, packageOf } = createRequire(import.meta.url)('../js/platforms.js');
export const checkout = fileURLToPath(new URL('..', import.meta.url));
/** Where what is shipped is put. */
export const ADDONS = join(checkout, 'dist/addons');

/** Builds std for size as well, which wants RUSTC_BOOTSTRAP=1: see docs/adr/0005. */
export const SMALL_STD = ['-Zbuild-std=std,panic_unwind', '-Zbuild-std-features=panic-unwind,optimize_for_size'];

/** The platform of this process; without a package of its own where npm has none for it. */
export function platformHere() {
  const { arch, platform } = process;
  const libc = platform === 'linux' ? (process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl') : undefined;
  const found = PLATFORMS.find((each) => each.os === platform && each.cpu === arch && each.libc === libc);
  if (!found) throw new Error(`there is no platform for ${platform} ${arch} ${libc ?? ''}: js/platforms.js lists those that are`);
  return found;
}

/** The library as cargo has built it. `folder`: of the profile, and of the target where one was named. */
export function libraryOf({ os }, ...folder) {
  const name = { darwin: 'libusb_daemon.dylib', win32: 'usb_daemon.dll' }[os] ?? 'libusb_daemon.so';
  return join(process.env.CARGO_TARGET_DIR ?? join(checkout, 'target'), ...folder, name);
}

/** Copies the package of this checkout to a place, for another addon. Gives where that belongs. */
export function copyPackage(place, platform) {
  for (const name of ['js', 'index.js', 'package.json']) cpSync(join(checkout, name), join(place, name), { recursive: true });
  return join(place, 'js', fileOf(platform));
}

/** Copies a file and renames it into place: a process that has the old one loaded keeps it. */
export function putInPlace(file, place) {
  const fresh = `${place}.${process.pid}`;
  copyFileSync(file, fresh);
  renameSync(fresh, place);
}

/** Puts a built library into dist/addons without its symbols, and those beside it. Gives the addon's path. */
export function ship(platform, library) {
  const addon = join(ADDONS, fileOf(platform));
  const work = join(ADDONS, `.${platform.name}.${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    const stripped = join(work, fileOf(platform));
    const symbols = SPLITTERS[platform.os](library, stripped);
    rmSync(join(ADDONS, basename(symbols)), { recursive: true, force: true });
    renameSync(symbols, join(ADDONS, basename(symbols)));
    renameSync(stripped, addon);
    return addon;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** For each system: writes the library without symbols to a place, the symbols beside that, and gives the path of those. */
const SPLITTERS = {
  linux(library, stripped) {
    const symbols = `${stripped.replace(/\.node$/, '')}.debug`;
    const { program, env } = objcopyHere();
    const objcopy = (...args) => execFileSync(program, args, { cwd: dirname(stripped), env, stdio: 'inherit' });
    objcopy('--only-keep-debug', library, symbols);
    objcopy('--strip-all', `--add-gnu-debuglink=${basename(symbols)}`, library, stripped);
    return symbols;
  },
  darwin(library, stripped) {
    const symbols = `${stripped.replace(/\.node$/, '')}.dSYM`;
    execFileSync('dsymutil', ['-o', symbols, library], { stdio: 'inherit' });
    copyFileSync(library, stripped);
    execFileSync('strip', ['-x', stripped], { stdio: 'inherit' });
    // What strip has changed must be signed again, or arm64 does not load it.
    execFileSync('codesign', ['--force', '--sign', '-', stripped], { stdio: 'inherit' });
    return symbols;
  },
  win32(library, stripped) {
    const database = library.replace(/\.dll$/, '.pdb');
    const symbols = `${stripped.replace(/\.node$/, '')}.pdb`;
    // Where Microsoft's linker has not been used, the symbols are in the library itself.
    if (!existsSync(database)) return SPLITTERS.linux(library, stripped);
    cpSync(database, symbols);
    copyFileSync(library, stripped);
    return symbols;
  },
};

/** Rust's own objcopy knows the files of every platform; a distribution's Rust comes without. */
function objcopyHere() {
  const rustc = (...args) => execFileSync('rustc', args, { cwd: checkout, encoding: 'utf8' });
  const host = /^host: (.+)$/m.exec(rustc('-vV'))[1];
  const sysroot = rustc('--print', 'sysroot').trim();
  const own = join(sysroot, 'lib/rustlib', host, 'bin/rust-objcopy');
  // It takes its LLVM from the compiler's folder, which it does not know of itself.
  const env = { ...process.env, LD_LIBRARY_PATH: join(sysroot, 'lib') };
  return existsSync(own) ? { program: own, env } : { program: 'objcopy', env: process.env };
}
