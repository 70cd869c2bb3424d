// Each sentence of docs/GUARANTEES.md names a test, and that test is there.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from './daemon.mjs';

const text = readFileSync(join(packageRoot, 'docs/GUARANTEES.md'), 'utf8');
const flat = (words) => words.replace(/\s+/g, ' ');
/** The list's items, each on one line. */
const sentences = text.split(/\n(?=- |#|\n)/).filter((part) => part.startsWith('- ')).map((part) => flat(part).trim());

/** A file and its tests' titles. */
const NAMED = /`([\w/.-]+)`: ("[^"]+"(?:, "[^"]+")*)/g;
const TITLE = /\b(?:it|test|describe)(?:\.each\([^)]*\))?\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`)/g;
/** Letters that a template has to have of its own: one that is all placeholders would match anything. */
const LITERAL = 12;

/** What a file calls its tests. */
function titlesOf(source) {
  return [...source.matchAll(TITLE)].map(([, single, double, template]) => flat(single ?? double ?? template));
}

/** Words of a title, or a title that is put together from pieces: what a template fills in matches anything. */
function isTitleOf(title, words) {
  if (title.includes(words)) return true;
  const pieces = title.split(/\$\{[^}]*\}|%[sd]/);
  if (pieces.length === 1 || pieces.join('').replace(/\W/g, '').length < LITERAL) return false;
  return new RegExp(`^${pieces.map((piece) => piece.replace(/[.*+?^$()|[\]\\{}]/g, '\\$&')).join('.*')}$`).test(words);
}

/** Tests of Rust are functions. */
function hasTest(name, words) {
  const source = sourceOf(name);
  if (name.endsWith('.rs')) return /^fn \w+$/.test(words) && source.includes(`${words}(`);
  return titlesOf(source).some((title) => isTitleOf(title, words));
}

function sourceOf(name) {
  return readFileSync(join(packageRoot, name.endsWith('.rs') ? name : `__test__/${name}.test.mjs`), 'utf8');
}

describe('a title', () => {
  const source = "it('is of words', …); it(`is of ${one} and more words`, …); it(`${all} ${of} it`, …); // `${a} ${b} ${c}` and 'no title'";
  const has = (words) => titlesOf(source).some((title) => isTitleOf(title, words));

  it('is found by its words, and where it is put together, by all of them', () => {
    expect(['of words', 'is of many a thing and more words', 'and more words'].map(has)).toEqual([true, true, true]);
  });

  it('is none that is all placeholders, or that is elsewhere in the file', () => {
    expect(['anything at all of it', 'anything at all', 'no title', 'is of many words'].map(has)).toEqual([false, false, false, false]);
  });
});

describe('what is promised', () => {
  it('is many sentences', () => expect(sentences.length).toBeGreaterThan(25));

  it.each(sentences)('%s', (sentence) => {
    expect(sentence, 'a file and a title at the end').toMatch(/`[\w/.-]+`: ("[^"]+", )*"[^"]+"$/);
    for (const [, name, titles] of sentence.matchAll(NAMED)) {
      for (const [, title] of titles.matchAll(/"([^"]+)"/g)) expect(hasTest(name, title), `${name} has a test called "${title}"`).toBe(true);
    }
  });
});
