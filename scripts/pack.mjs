// Packs what npm is given:
//
//   node scripts/pack.mjs [--addons dist/addons] [--into dist/npm]     a tarball for each addon that is there, and the main one
//   node scripts/pack.mjs --write-manifests                            npm/*/package.json anew, for a new version or platform
//
// --any-size packs an addon that is not the shipped one, too. Nothing is published here: scripts/release does that, and refuses what is
// not whole.

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ADDONS, PLATFORMS, checkout, fileOf } from './addons.mjs';
import { MAX_BYTES, asText, faultyManifests, main, manifestOf, published, readmeOf } from './npm-packages.mjs';
import { bundle, isBundled } from './bundle.mjs';
import { noticesFor } from './notices.mjs';

const { values } = parseArgs({
  options: {
    addons: { type: 'string', default: ADDONS },
    into: { type: 'string', default: join(checkout, 'dist/npm') },
    'any-size': { type: 'boolean', default: false },
    'write-manifests': { type: 'boolean', default: false },
  },
});

const npm = (cwd, ...args) => execFileSync(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, { cwd, encoding: 'utf8', shell: process.platform === 'win32' });

function writeManifests() {
  for (const each of PLATFORMS) {
    const folder = join(checkout, 'npm', each.name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), asText(manifestOf(each)));
  }
}

/** Puts the files of a platform's package into a folder. */
function assemble(platform, addon, folder) {
  mkdirSync(folder);
  copyFileSync(addon, join(folder, fileOf(platform)));
  copyFileSync(join(checkout, 'LICENSE'), join(folder, 'LICENSE'));
  writeFileSync(join(folder, 'package.json'), asText(manifestOf(platform)));
  writeFileSync(join(folder, 'README.md'), readmeOf(platform));
  writeFileSync(join(folder, 'THIRD-PARTY-LICENSES.txt'), noticesFor(platform));
}

/** The same for the package that people name: what the checkout's "files" list, its JavaScript as a bundle, and package.json as it is published. */
async function assembleMain(folder) {
  mkdirSync(folder);
  const [{ files }] = JSON.parse(npm(checkout, 'pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'));
  for (const { path } of files.filter(({ path }) => !isBundled(path))) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(join(checkout, path), join(folder, path));
  }
  await bundle(folder);
  writeFileSync(join(folder, 'package.json'), asText(published(main())));
}

const sizeOf = (folder) => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

async function pack() {
  const wrong = faultyManifests();
  if (wrong.length > 0) throw new Error(`${wrong.join('; ')}: node scripts/pack.mjs --write-manifests`);
  const addonOf = (platform) => join(resolve(values.addons), fileOf(platform));
  const there = PLATFORMS.filter((each) => existsSync(addonOf(each)));
  const into = resolve(values.into);
  const work = mkdtempSync(join(tmpdir(), 'usb-daemon-pack-'));
  try {
    for (const each of there) assemble(each, addonOf(each), join(work, each.name));
    await assembleMain(join(work, 'main'));
    const large = there.map(({ name }) => ({ name, bytes: sizeOf(join(work, name)) })).filter(({ bytes }) => bytes > MAX_BYTES);
    if (large.length > 0 && !values['any-size']) {
      throw new Error(`larger than ${MAX_BYTES} bytes: ${large.map(({ name, bytes }) => `${name} (${bytes})`).join(', ')}; was it built with --dist? (--any-size packs it all the same)`);
    }
    rmSync(into, { recursive: true, force: true });
    mkdirSync(into, { recursive: true });
    const folders = [...there.map(({ name }) => name), 'main'].map((name) => `./${name}`);
    npm(work, 'pack', ...folders, '--ignore-scripts', '--loglevel=error', '--pack-destination', into);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  console.log(`pack: ${there.length + 1} packages in ${into}`);
  const missing = (which, command) => {
    const names = PLATFORMS.filter((each) => which(each) && !there.includes(each)).map(({ name }) => name);
    if (names.length > 0) console.log(`pack: no addon for ${names.join(', ')}: made by ${command}`);
  };
  missing(({ os }) => os === 'linux', 'sh scripts/cross/build.sh NAME');
  missing(({ os }) => os !== 'linux', 'node scripts/build.mjs --dist on that system');
}

try {
  if (values['write-manifests']) writeManifests();
  else await pack();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
