// Each sentence of docs/GUARANTEES.md names a test, and that test is there.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from './daemon.mjs';

const text = readFileSync(join(packageRoot, 'docs/GUARANTEES.md'), 'utf8');
const flat = (words) => words.replace(/\s+/g, ' ');
/** The list's items, each on one line. */
const sentences = text.split(/\n(?=- |#|\n)/).filter((part) => part.startsWith('- ')).map((part) => flat(part).trim());

/** Titles may be put together from pieces: what a template fills in matches anything. */
function isTitleOf(source, title) {
  if (flat(source).includes(title)) return true;
  return [...source.matchAll(/`([^`]*\$\{[^`]*)`/g)].some(([, template]) => {
    const pieces = flat(template).split(/\$\{[^}]*\}/).map((piece) => piece.replace(/[.*+?^$()|[\]\\{}]/g, '\\$&'));
    return new RegExp(pieces.join('.*')).test(title) || pieces.some((piece) => piece.includes(title));
  });
}

function sourceOf(name) {
  return readFileSync(join(packageRoot, name.endsWith('.rs') ? name : `__test__/${name}.test.mjs`), 'utf8');
}

describe('what is promised', () => {
  it('is many sentences', () => expect(sentences.length).toBeGreaterThan(25));

  it.each(sentences)('%s', (sentence) => {
    const [, name, titles] = /`([\w/.-]+)`: ("[^"]+"(?:, "[^"]+")*)$/.exec(sentence) ?? [];
    expect(name, 'a file and a title at the end').toBeDefined();
    const source = sourceOf(name);
    for (const [, title] of titles.matchAll(/"([^"]+)"/g)) expect(isTitleOf(source, title), `${name} has a test called "${title}"`).toBe(true);
  });
});
