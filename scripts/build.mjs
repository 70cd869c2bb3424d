// Builds the addon and puts it beside its loader. Cargo decides what there is to do; --debug builds without optimizing. --dist builds
// what is shipped for this platform, into dist/addons; scripts/cross/build.sh builds that for others.

import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { checkout, fileOf, libraryOf, platformHere, putInPlace, ship } from './addons.mjs';

const flags = { '--debug': ['dev', 'debug'], '--dist': ['dist', 'dist'] };
const flag = process.argv[2];
if (flag !== undefined && !Object.hasOwn(flags, flag)) {
  console.error(`error: ${flag} is unknown: there are ${Object.keys(flags).join(' and ')}`);
  process.exit(2);
}
const [profile, folder] = flags[flag] ?? ['release', 'release'];
const platform = platformHere();
const env = { ...process.env };
// A user of Windows need not have Microsoft's runtime.
if (flag === '--dist' && platform.os === 'win32') env.RUSTFLAGS = '-Ctarget-feature=+crt-static';
execFileSync('cargo', ['build', '--lib', '--profile', profile], { cwd: checkout, env, stdio: 'inherit' });

const built = libraryOf(platform, folder);
if (flag === '--dist') {
  console.error(`build: ${ship(platform, built)}`);
} else {
  const installed = join(checkout, 'js', fileOf(platform));
  if (changed(installed)) putInPlace(built, installed);
}

function changed(installed) {
  try {
    return statSync(installed).mtimeMs < statSync(built).mtimeMs;
  } catch {
    return true;
  }
}
