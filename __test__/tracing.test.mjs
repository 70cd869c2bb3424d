// initializeTracing: the level of the addon's logs.

import { createRequire } from 'node:module';
import { afterEach, expect, it, vi } from 'vitest';
import { USBDaemon } from './daemon.mjs';

const { tracingOf } = createRequire(import.meta.url)('../js/tracing.js');

afterEach(() => void vi.unstubAllEnvs());

it.each([
  [undefined, undefined, 'info'],
  [{}, 'DEBUG', 'debug'],
  [{ level: undefined }, 'warn', 'warn'],
  [{ level: 'trace' }, 'error', 'trace'],
  [{}, 'verbose', 'info'],
])('%j with LOG_LEVEL %s is level %s', (options, environment, level) => {
  vi.stubEnv('LOG_LEVEL', environment);
  const set = [];
  tracingOf((name) => set.push(name))(options);
  expect(set).toEqual([level]);
});

it.each([
  [{ level: 'loud' }, 'level is "loud": expected one of off, error, warn, info, debug, trace'],
  [{ levl: 'info' }, 'levl is no known key: did you mean "level"?'],
  [null, 'options is null'],
])('%j is refused by name', (options, message) => {
  expect(() => USBDaemon.initializeTracing(options)).toThrow(expect.objectContaining({ code: 'ERR_USB_CONFIG', message: expect.stringContaining(message) }));
});
