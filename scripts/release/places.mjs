// Every place in this checkout that names the version.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Which part of a file is the version: what stands before it is the first group. */
const MANIFEST = /^( {2}"version": ")[^"]+/m;
const LOCK_ROOT = /^( {4}"": \{\n(?: {6}.*\n)*? {6}"version": ")[^"]+/m;
const WORKSPACE = /^(\[workspace\.package\]\n(?:[^[\n]*\n)*?version = ")[^"]+/m;
/** What comes from elsewhere has a source. */
const MEMBER = /^(name = ".+"\nversion = ")[^"]+(?="\n(?!source))/gm;
const CORE = /^(name = "usb-daemon-core"\nversion = ")[^"]+/m;
const IMAGE = /^(ARG VERSION=)\S+/m;
const COMPOSE = /^(\s+image: \$\{USB_DAEMON_IMAGE:-autoweave-usb-daemon:)[^}\s]+/m;
const CHART = /^(version: ["']?)[^"'\s]+/m;
const OF_CHART = /^(appVersion: ["']?)[^"'\s]+/m;

/** `{ path, pattern }`, package.json first. */
export function places(checkout) {
  const listed = (folder) => (existsSync(join(checkout, folder)) ? readdirSync(join(checkout, folder)).sort() : []);
  const images = listed('deploy/container').filter((name) => /^Dockerfile(\.\w+)?$/.test(name) && !name.endsWith('ignore'));
  return [
    { path: 'package.json', pattern: MANIFEST },
    { path: 'package-lock.json', pattern: MANIFEST },
    { path: 'package-lock.json', pattern: LOCK_ROOT },
    { path: 'Cargo.toml', pattern: WORKSPACE },
    { path: 'Cargo.lock', pattern: MEMBER },
    { path: 'fuzz/Cargo.lock', pattern: CORE },
    ...listed('npm').map((platform) => ({ path: `npm/${platform}/package.json`, pattern: MANIFEST })),
    ...listed('deploy/helm').filter((name) => name === 'Chart.yaml').flatMap((name) => [CHART, OF_CHART].map((pattern) => ({ path: `deploy/helm/${name}`, pattern }))),
    ...listed('deploy').filter((name) => name === 'compose.yaml').map((name) => ({ path: `deploy/${name}`, pattern: COMPOSE })),
    ...images.map((name) => ({ path: `deploy/container/${name}`, pattern: IMAGE })),
  ];
}

/** The versions that a place names: of a Cargo.lock one for each crate of ours, else one. */
export function versionsAt(checkout, { path, pattern }) {
  const all = new RegExp(pattern, pattern.flags.includes('g') ? pattern.flags : `${pattern.flags}g`);
  return [...readFileSync(join(checkout, path), 'utf8').matchAll(all)].map(([whole, before]) => whole.slice(before.length));
}
