// docs/CONFIGURATION.md is what the addon's own schema and defaults say.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { page } from '../scripts/configuration.mjs';
import { packageRoot } from './daemon.mjs';

it('the page is what `node scripts/configuration.mjs` writes', () => {
  expect(readFileSync(join(packageRoot, 'docs/CONFIGURATION.md'), 'utf8')).toBe(page());
});

it('the page has each key once', () => {
  const keys = [...page().matchAll(/^\| `([^`]+)`/gm)].map(([, key]) => key);
  expect(keys).toEqual([...new Set(keys)]);
  expect(keys).toEqual(expect.arrayContaining(['redis.tls.ca', 'sources.netlink.receive_buffer', 'filters.rules[].match.vendor_id', 'outbox.when_full', 'shutdown_ms']));
});
