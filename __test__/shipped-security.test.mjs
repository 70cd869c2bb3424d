// Each defense that SECURITY.md speaks of names a test, and that test is there; and each kind of attacker has what is not defended.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from './daemon.mjs';
import { ENDS_WITH_A_TEST, missingTests, sentencesOf } from './named-tests.mjs';

const text = readFileSync(join(packageRoot, 'SECURITY.md'), 'utf8');
const sections = text.split(/\n(?=###? )/).filter((section) => section.startsWith('### '));

describe('the threat model', () => {
  it('is of devices, users, streams, networks and the supply chain', () => {
    expect(sections.map((section) => /^### (.+)/.exec(section)[1])).toEqual([
      'A hostile device', 'A hostile local user', 'A hostile stream', 'A hostile network', 'The supply chain',
    ]);
  });

  it.each(sections.map((section) => [/^### (.+)/.exec(section)[1], section]))('of %s says what is not defended', (_, section) => {
    expect(section).toContain('\n**Not defended:** ');
  });

  it.each(sentencesOf(text))('%s', (sentence) => {
    expect(sentence, 'a file and a title at the end').toMatch(ENDS_WITH_A_TEST);
    expect(missingTests(sentence)).toEqual([]);
  });
});
