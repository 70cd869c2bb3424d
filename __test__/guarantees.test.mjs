// Each sentence of docs/GUARANTEES.md names a test, and that test is there.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from './daemon.mjs';
import { ENDS_WITH_A_TEST, isTitleOf, missingTests, sentencesOf, titlesOf } from './named-tests.mjs';

const sentences = sentencesOf(readFileSync(join(packageRoot, 'docs/GUARANTEES.md'), 'utf8'));

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
    expect(sentence, 'a file and a title at the end').toMatch(ENDS_WITH_A_TEST);
    expect(missingTests(sentence)).toEqual([]);
  });
});
