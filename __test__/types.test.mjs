// The types, as a user's compiler reads them. What must not compile stands in types/ under @ts-expect-error.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const checkout = fileURLToPath(new URL('..', import.meta.url));

it.each([
  ['nodenext', 'tsconfig.json'],
  ['node16', 'tsconfig.node16.json'],
  ['bundler', 'tsconfig.bundler.json'],
])('hold in ESM and CommonJS under the resolution %s', (_name, config) => {
  const { stdout, status } = spawnSync('npx', ['--no-install', 'tsc', '-p', `__test__/types/${config}`], { cwd: checkout, encoding: 'utf8' });
  expect([status, stdout]).toEqual([0, '']);
});
