// Checks that every file that names this project's version names the same one, and with a tag that this is the tag's, that the
// changelog has a section for it, and that the package names its repository, without which npm refuses the provenance. Prints the
// version. With --set, writes another one everywhere, and gives what the changelog calls unreleased to it.
//
//   node scripts/release/version.mjs [v1.2.3]
//   node scripts/release/version.mjs --set 1.2.3

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readChangelog, sectionOf } from './changelog.mjs';
import { places, versionsAt } from './places.mjs';

const checkout = fileURLToPath(new URL('../../', import.meta.url));
const { values, positionals } = parseArgs({ allowPositionals: true, options: { set: { type: 'string' } } });

function fail(...messages) {
  for (const each of messages) console.error(`error: ${each}`);
  process.exit(1);
}

function change(path, how) {
  writeFileSync(join(checkout, path), how(readFileSync(join(checkout, path), 'utf8')));
}

/** Writes a version into every place, and its heading into the changelog. */
function set(version) {
  if (!/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version)) fail(`${version} is no version`);
  if (sectionOf(readChangelog(checkout), version) !== undefined) fail(`CHANGELOG.md has a section for ${version} already`);
  for (const { path, pattern } of places(checkout)) change(path, (text) => text.replace(pattern, (_, before) => before + version));
  const today = new Date().toISOString().slice(0, 10);
  change('CHANGELOG.md', (text) => text.replace(/^## Unreleased$/m, `## Unreleased\n\n## ${version} - ${today}`));
}

function faults(version, tag) {
  const wrong = places(checkout).flatMap((place) => {
    const found = versionsAt(checkout, place);
    if (found.length === 0) return [`${place.path} says nothing where a version should be`];
    return [...new Set(found)].filter((each) => each !== version).map((each) => `${place.path} says ${each}, package.json ${version}`);
  });
  if (tag !== undefined) {
    const { repository } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
    if (tag !== `v${version}`) wrong.push(`the tag is ${tag}, package.json says ${version}`);
    if (!repository && values.set === undefined) wrong.push('package.json names no repository, and npm refuses a provenance without one: CONTRIBUTING.md, "Release"');
    if (!sectionOf(readChangelog(checkout), version)) wrong.push(`CHANGELOG.md says nothing of version ${version}`);
  }
  return wrong;
}

if (values.set !== undefined) set(values.set);
const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
const wrong = faults(version, values.set === undefined ? positionals[0] : `v${version}`);
if (wrong.length > 0) fail(...wrong);
console.log(version);
