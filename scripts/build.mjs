// Builds the addon and puts it beside its loader. Cargo decides what there is to do; --debug builds without optimizing.

import { execFileSync } from 'node:child_process';
import { copyFileSync, renameSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const debug = process.argv.includes('--debug');
const { arch, platform, env } = process;
if (platform !== 'linux') {
  console.error(`error: building on ${platform} is not supported yet: only Linux has its sources`);
  process.exit(1);
}

execFileSync('cargo', ['build', '--lib', ...(debug ? [] : ['--release'])], { cwd: checkout, stdio: 'inherit' });

const libc = process.report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl';
const suffix = arch === 'arm' ? `${libc}eabihf` : libc;
const built = `${env.CARGO_TARGET_DIR ?? `${checkout}target`}/${debug ? 'debug' : 'release'}/libusb_daemon.so`;
const installed = `${checkout}js/usb-daemon.${platform}-${arch}-${suffix}.node`;

if (changed()) {
  // Renamed into place: a process that has the old one loaded keeps it.
  const fresh = `${installed}.${process.pid}`;
  copyFileSync(built, fresh);
  renameSync(fresh, installed);
}

function changed() {
  try {
    return statSync(installed).mtimeMs < statSync(built).mtimeMs;
  } catch {
    return true;
  }
}
