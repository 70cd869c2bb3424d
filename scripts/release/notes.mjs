// Prints what the changelog says of a version: the text of its release.
//
//   node scripts/release/notes.mjs v1.2.3

import { fileURLToPath } from 'node:url';
import { readChangelog, sectionOf } from './changelog.mjs';

const version = (process.argv[2] ?? '').replace(/^v/, '');
const section = sectionOf(readChangelog(fileURLToPath(new URL('../../', import.meta.url))), version);
if (!section) {
  console.error(`error: CHANGELOG.md says nothing of version ${JSON.stringify(version)}`);
  process.exit(1);
}
console.log(section);
