// Pages that name tests for what they say, as `file`: "words of the title". Whether those tests are there.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './daemon.mjs';

export const flat = (words) => words.replace(/\s+/g, ' ');

/** The items of a page's lists, each on one line. */
export function sentencesOf(text) {
  return text.split(/\n(?=- |#|\n)/).filter((part) => part.startsWith('- ')).map((part) => flat(part).trim());
}

/** A sentence ends with a file and its tests' titles. */
export const ENDS_WITH_A_TEST = /`[\w/.-]+`: ("[^"]+", )*"[^"]+"$/;
const NAMED = /`([\w/.-]+)`: ("[^"]+"(?:, "[^"]+")*)/g;
const TITLE = /\b(?:it|test|describe)(?:\.each\([^)]*\))?\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`)/g;
/** Letters that a template has to have of its own: one that is all placeholders would match anything. */
const LITERAL = 12;

/** The tests that a sentence names and that are not there. */
export function missingTests(sentence) {
  const named = [...sentence.matchAll(NAMED)].flatMap(([, name, titles]) => [...titles.matchAll(/"([^"]+)"/g)].map(([, title]) => ({ name, title })));
  return named.filter(({ name, title }) => !hasTest(name, title)).map(({ name, title }) => `${name} has no test called "${title}"`);
}

/** What a file calls its tests. */
export function titlesOf(source) {
  return [...source.matchAll(TITLE)].map(([, single, double, template]) => flat(single ?? double ?? template));
}

/** Words of a title, or a title that is put together from pieces: what a template fills in matches anything. */
export function isTitleOf(title, words) {
  if (title.includes(words)) return true;
  const pieces = title.split(/\$\{[^}]*\}|%[sd]/);
  if (pieces.length === 1 || pieces.join('').replace(/\W/g, '').length < LITERAL) return false;
  return new RegExp(`^${pieces.map((piece) => piece.replace(/[.*+?^$()|[\]\\{}]/g, '\\$&')).join('.*')}$`).test(words);
}

/** Tests of Rust are functions. */
function hasTest(name, words) {
  const source = readFileSync(join(packageRoot, name.endsWith('.rs') ? name : `__test__/${name}.test.mjs`), 'utf8');
  if (name.endsWith('.rs')) return /^fn \w+$/.test(words) && source.includes(`${words}(`);
  return titlesOf(source).some((title) => isTitleOf(title, words));
}
