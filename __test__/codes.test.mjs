// The codes of errors: what the sources say, the types and the README list.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from './daemon.mjs';

const text = (name) => readFileSync(join(packageRoot, name), 'utf8');
const codesIn = (source) => new Set(source.match(/\bERR_USB_[A-Z_]+\b/g));

const sources = ['crates/core/src/error.rs', ...readdirSync(join(packageRoot, 'js')).filter((name) => name.endsWith('.js')).map((name) => `js/${name}`)];
const raised = [...codesIn(sources.map(text).join('\n'))].sort();
const [, union] = /code:\n([^;]*);/.exec(text('types/events.d.ts').slice(text('types/events.d.ts').indexOf('interface USBError')));
const table = text('README.md').match(/^\| `ERR_USB_[A-Z_]+` \| .*$/gm).join('\n');

it('are in the type of `code`, and in its order', () => {
  expect([...codesIn(union)]).toEqual(raised);
});

it('are each explained in the README', () => {
  const explained = codesIn(table);
  expect(raised.filter((code) => !explained.has(code))).toEqual([]);
});
