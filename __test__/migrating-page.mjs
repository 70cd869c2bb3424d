// The examples of docs/MIGRATING.md.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './daemon.mjs';

export const text = readFileSync(join(packageRoot, 'docs/MIGRATING.md'), 'utf8');
const blocks = [...text.matchAll(/^(#+ .*)$|^```(\w+) (before|after|prints)\n([\s\S]*?)^```$/gm)];

/** The examples in their order: `{ title, before, after, prints }`. */
export function examples() {
  const found = [];
  let heading;
  for (const [, title, , role, code] of blocks) {
    if (title) heading = title.replace(/^#+ /, '');
    else if (role === 'before') found.push({ title: heading, before: code });
    else found.at(-1)[role] = code;
  }
  return found.map((example, at) => ({ ...example, title: `${at + 1}. ${example.title}` }));
}

const isModule = (code) => /^import /m.test(code);

/** The arguments with which Node runs such a program. */
export function argumentsFor(code) {
  return [...(isModule(code) ? ['--input-type=module'] : []), '-e', code];
}

/** The name of a file that has such a program. */
export function fileNameFor(name, code) {
  return `${name}.${isModule(code) ? 'mjs' : 'cjs'}`;
}

/** Whether `wanted` stands in `lines`, one after another. */
export function has(lines, wanted) {
  return lines.some((_, from) => wanted.every((line, at) => lines[from + at] === line));
}
