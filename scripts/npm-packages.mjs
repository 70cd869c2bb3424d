// What npm is given: a package for each platform, with the addon, and the one that people name, with everything else.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { OLDEST_NODE, PLATFORMS, checkout, fileOf, packageOf } from './addons.mjs';

/** A platform's package, unpacked: see docs/adr/0005. */
export const MAX_BYTES = 7_500_000;

const SYSTEMS = { linux: 'Linux', darwin: 'macOS', win32: 'Windows' };
/** What the checkout's package.json says to those who work on it only. */
const NOT_PUBLISHED = ['scripts', 'devDependencies'];

export const main = () => JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));

/** "Linux on x64 with glibc" */
const described = ({ os, cpu, libc }) => `${SYSTEMS[os]} on ${cpu === 'arm' ? 'armv7' : cpu}${libc ? ` with ${libc}` : ''}`;

/** What npm/<platform>/package.json says. */
export function manifestOf(platform) {
  const { version, license, repository } = main();
  return {
    name: packageOf(platform),
    version,
    description: `The addon of @autoweave/usb-daemon for ${described(platform)}`,
    license,
    ...(repository ? { repository } : {}),
    type: 'commonjs',
    main: fileOf(platform),
    files: [fileOf(platform), 'THIRD-PARTY-LICENSES.txt'],
    os: [platform.os],
    cpu: [platform.cpu],
    ...(platform.libc ? { libc: [platform.libc] } : {}),
    engines: { node: `>=${OLDEST_NODE}` },
  };
}

export const readmeOf = (platform) => `# ${packageOf(platform)}

The addon of \`@autoweave/usb-daemon\` for ${described(platform)}. Install that one: it brings this along where it fits.

THIRD-PARTY-LICENSES.txt names what is linked into it, and how libusb can be exchanged for another one.
`;

/** The published package.json of the package that people name: with the platforms' packages, which npm has only once they are published. */
export function published(manifest) {
  const { version } = manifest;
  const kept = Object.entries(manifest).filter(([key]) => !NOT_PUBLISHED.includes(key));
  return { ...Object.fromEntries(kept), optionalDependencies: Object.fromEntries(PLATFORMS.map((each) => [packageOf(each), version])) };
}

/** Where the checkout's manifests of the platforms are not as the table has them. */
export function faultyManifests() {
  const folder = join(checkout, 'npm');
  const there = readdirSync(folder);
  const wrong = PLATFORMS.filter((each) => !there.includes(each.name) || readFileSync(join(folder, each.name, 'package.json'), 'utf8') !== asText(manifestOf(each)));
  const unknown = there.filter((name) => PLATFORMS.every((each) => each.name !== name));
  return [...wrong.map(({ name }) => `npm/${name}/package.json is not as js/platforms.js has it`), ...unknown.map((name) => `js/platforms.js has no ${name}`)];
}

export const asText = (manifest) => `${JSON.stringify(manifest, null, 2)}\n`;
