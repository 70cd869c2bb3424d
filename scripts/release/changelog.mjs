// CHANGELOG.md, a section for each version: `## 1.2.3 - 2026-12-24`, newest first; what is to come stands under `## Unreleased`.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a changelog says of a version, without its heading; undefined where it has no such section. */
export function sectionOf(changelog, version) {
  const lines = changelog.split('\n');
  const from = lines.findIndex((line) => headingOf(line) === version);
  if (from < 0) return undefined;
  const to = lines.findIndex((line, at) => at > from && headingOf(line) !== undefined);
  return lines.slice(from + 1, to < 0 ? undefined : to).join('\n').trim();
}

/** The version that a heading of the second level names, with or without brackets around it. */
function headingOf(line) {
  return /^## \[?([^\s\]]+)\]?(?:\s|$)/.exec(line)?.[1];
}

export function readChangelog(checkout) {
  return readFileSync(join(checkout, 'CHANGELOG.md'), 'utf8');
}
