// Builds the addon and puts it beside its loader. Cargo decides what there is to do; --debug builds without optimizing. --dist builds
// what is shipped for this platform, into dist/addons; scripts/cross/build.sh builds that for others.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SMALL_STD, checkout, fileOf, libraryOf, platformHere, putInPlace, ship } from './addons.mjs';

const flags = { '--debug': ['dev', 'debug'], '--dist': ['dist', 'dist'] };
const flag = process.argv[2];
if (flag !== undefined && !Object.hasOwn(flags, flag)) {
  console.error(`error: ${flag} is unknown: there are ${Object.keys(flags).join(' and ')}`);
  process.exit(2);
}
const [profile, folder] = flags[flag] ?? ['release', 'release'];
const platform = platformHere();
const env = { ...process.env };
const args = ['build', '--lib', '--profile', profile];
if (flag === '--dist') {
  if (!hasSourcesOfStd()) {
    console.error(`error: --dist builds std as well, whose sources are missing: "rustup component add rust-src"${platform.os === 'linux' ? `, or sh scripts/cross/build.sh ${platform.name}` : ''}`);
    process.exit(1);
  }
  args.push('--target', platform.target, ...SMALL_STD);
  env.RUSTC_BOOTSTRAP = '1';
  // A user of Windows need not have Microsoft's runtime.
  if (platform.os === 'win32') env.RUSTFLAGS = '-Ctarget-feature=+crt-static';
}
execFileSync('cargo', args, { cwd: checkout, env, stdio: 'inherit' });

const built = libraryOf(platform, ...(flag === '--dist' ? [platform.target] : []), folder);
if (flag === '--dist') {
  console.error(`build: ${ship(platform, built)}`);
} else {
  const installed = join(checkout, 'js', fileOf(platform));
  if (changed(installed)) putInPlace(built, installed);
}

/** Whether rustc's std can be built; rustup fetches its sources where they are missing. */
function hasSourcesOfStd() {
  const sysroot = execFileSync('rustc', ['--print', 'sysroot'], { cwd: checkout, encoding: 'utf8' }).trim();
  const there = () => existsSync(join(sysroot, 'lib/rustlib/src/rust/library/std/Cargo.toml'));
  if (!there()) spawnSync('rustup', ['component', 'add', 'rust-src'], { cwd: checkout, stdio: 'inherit', timeout: 120_000 });
  return there();
}

function changed(installed) {
  try {
    return statSync(installed).mtimeMs < statSync(built).mtimeMs;
  } catch {
    return true;
  }
}
