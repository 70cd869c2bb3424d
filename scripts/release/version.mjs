// Checks that every file that names this project's version names the same one, and with a tag that this is the tag's and that the
// changelog has a section for it. Prints the version.
//
//   node scripts/release/version.mjs [v1.2.3]

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { readChangelog, sectionOf } from './changelog.mjs';

const checkout = new URL('../../', import.meta.url);
const read = (path) => readFileSync(new URL(path, checkout), 'utf8');
const tag = process.argv[2];

const { version } = JSON.parse(read('package.json'));
const wrong = [];

/** One place that names the version. */
function named(place, found) {
  if (found !== version) wrong.push(`${place} says ${found ?? 'nothing'}, package.json ${version}`);
}

const lock = JSON.parse(read('package-lock.json'));
named('package-lock.json', lock.version);
named('package-lock.json of its root', lock.packages[''].version);
named('Cargo.toml', /^\[workspace\.package\]\n(?:[^[\n]*\n)*?version = "([^"]+)"/m.exec(read('Cargo.toml'))?.[1]);
for (const [, name, found, rest] of read('Cargo.lock').matchAll(/^name = "(.+)"\nversion = "(.+)"\n(.*)$/gm)) {
  // What comes from elsewhere has a source.
  if (!rest.startsWith('source')) named(`Cargo.lock of ${name}`, found);
}
for (const platform of readdirSync(new URL('npm', checkout))) {
  named(`npm/${platform}/package.json`, JSON.parse(read(`npm/${platform}/package.json`)).version);
}
if (existsSync(new URL('deploy/helm/Chart.yaml', checkout))) {
  for (const key of ['version', 'appVersion']) {
    named(`deploy/helm/Chart.yaml (${key})`, new RegExp(`^${key}: ["']?([^"'\\s]+)`, 'm').exec(read('deploy/helm/Chart.yaml'))?.[1]);
  }
}
if (tag !== undefined) {
  if (tag !== `v${version}`) wrong.push(`the tag is ${tag}, package.json says ${version}`);
  if (!sectionOf(readChangelog(checkout), version)) wrong.push(`CHANGELOG.md says nothing of version ${version}`);
}

for (const each of wrong) console.error(`error: ${each}`);
if (wrong.length > 0) process.exit(1);
console.log(version);
