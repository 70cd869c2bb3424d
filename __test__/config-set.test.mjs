// `--set path=value` and USB_DAEMON_SET: every key of the schema from the file, the environment and an option, in that order.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { finished } from './command.mjs';
import { packageRoot } from './daemon.mjs';

const schema = JSON.parse(readFileSync(join(packageRoot, 'usb-daemon.schema.json'), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'usb-daemon-set-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CERTIFICATE = Object.fromEntries(['key', 'cert'].map((name) => [name, join(folder, name)]));
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=nobody', '-keyout', CERTIFICATE.key, '-out', CERTIFICATE.cert], { stdio: 'ignore' });

/** Three values of keys for which a type alone does not give them. */
const VALUES = {
  'redis.url': ['redis://file', 'redis://environment', 'redis://option'],
  'redis.tls.ca': Array(3).fill(CERTIFICATE.cert),
  'redis.tls.cert': Array(3).fill(CERTIFICATE.cert),
  'redis.tls.key': Array(3).fill(CERTIFICATE.key),
  'filters.rules': ['a', 'b', 'c'].map((product) => [{ action: 'deny', match: { product } }]),
  'drivers.rules': ['a', 'b', 'c'].map((product) => [{ match: { product }, module: 'usbserial', attempts: 3 }]),
  'filters.vendor_whitelist': [[1], [2], [3]],
  'filters.vendor_blacklist': [[1], [2], [3]],
  'filters.device_class_filter': [[1], [2], [3]],
  'monitoring.allowed_hosts': [['a.lan'], ['b.lan'], ['c.lan']],
  'monitoring.host': ['127.0.0.2', '127.0.0.3', '::1'],
};
const MASKED = ['redis.password', 'redis.tls.key', 'monitoring.token'];

const variantsOf = (node) => (node.anyOf ?? node.oneOf ?? [node]).flatMap((one) => (one.anyOf || one.oneOf ? variantsOf(one) : [one]));

/** Keys that hold no others, as { path, node }. */
function leavesOf(node, path = '') {
  const inner = variantsOf(node).flatMap(({ properties = {} }) => Object.entries(properties));
  if (inner.length === 0) return path === '$schema' ? [] : [{ path, node }];
  return inner.flatMap(([key, value]) => leavesOf(value, path === '' ? key : `${path}.${key}`));
}

function valuesOf({ path, node }) {
  if (path in VALUES) return VALUES[path];
  const variants = variantsOf(node);
  const words = variants.flatMap((variant) => variant.enum ?? ('const' in variant ? [variant.const] : []));
  if (words.length > 0) return [words.at(-1), words[0], words.at(-1)];
  const [{ type, minimum = 0 }] = variants;
  if ([type].flat().includes('boolean')) return [false, true, false];
  if ([type].flat().includes('integer')) return [minimum + 1, minimum + 2, minimum + 3];
  expect([type].flat(), path).toContain('string');
  return ['file', 'environment', 'option'];
}

const LEAVES = leavesOf(schema).map((leaf) => ({ path: leaf.path, values: valuesOf(leaf) }));
const without = (...paths) => LEAVES.filter(({ path }) => !paths.some((other) => path === other || path.startsWith(`${other}.`)));
/** Those that go before each other are looked at by themselves. */
const GROUPS = {
  'all that go together': without('redis.url', 'redis.path'),
  'a URL': LEAVES.filter(({ path }) => path === 'redis.url'),
  'a unix socket': LEAVES.filter(({ path }) => path === 'redis.path'),
};

const nested = (path, value) => path.split('.').reduceRight((inner, key) => ({ [key]: inner }), value);
const merged = (one, other) => Object.entries(other).reduce((all, [key, value]) => ({ ...all, [key]: key in all && typeof value === 'object' && !Array.isArray(value) ? merged(all[key], value) : value }), one);
const assignment = (path, value) => `${path}=${typeof value === 'string' ? value : JSON.stringify(value)}`;

async function inForce(args, env) {
  const { code, stdout, stderr } = await finished(['config', '--json', ...args], { env });
  expect([code, stderr]).toEqual([0, []]);
  const rows = stdout.map((line) => JSON.parse(line)).filter(({ type }) => type === 'key');
  return Object.fromEntries(rows.map(({ key, value, source, name }) => [key, { value, source, name }]));
}

it('the table has keys that have neither an option nor a variable of their own', () => {
  const paths = LEAVES.map(({ path }) => path);
  for (const path of ['filters.rules', 'performance.debounce_ms', 'shutdown_ms', 'outbox.retain', 'outbox.when_full', 'redis.tls.ca', 'redis.on_reset', 'sources.netlink.receive_buffer', 'fallback.enable_udev']) expect(paths).toContain(path);
  expect(paths.length).toBeGreaterThan(35);
});

describe.each(Object.entries(GROUPS))('%s', (name, leaves) => {
  it('can be set in each place, and the higher one holds', async () => {
    const file = join(folder, 'config.json');
    writeFileSync(file, JSON.stringify(leaves.reduce((root, { path, values }) => merged(root, nested(path, values[0])), {})));
    const env = { USB_DAEMON_SET: leaves.map(({ path, values }) => assignment(path, values[1])).join('\n') };
    const options = leaves.flatMap(({ path, values }) => ['--set', assignment(path, values[2])]);
    for (const [at, rows, origin] of [
      [0, await inForce(['--config', file], {}), { source: 'file', name: file }],
      [1, await inForce(['--config', file], env), { source: 'environment', name: 'USB_DAEMON_SET' }],
      [2, await inForce(['--config', file, ...options], env), { source: 'option', name: '--set' }],
    ]) {
      for (const { path, values } of leaves) {
        expect(rows[path], `${path} at ${at}`).toEqual({ ...origin, value: MASKED.includes(path) ? '***' : values[at] });
      }
    }
  });
});

it('a key that only the variable sets is in force beside one that an option sets', async () => {
  const rows = await inForce(['--set', 'shutdown_ms=7'], { USB_DAEMON_SET: 'shutdown_ms=8\n\n  redis.timeout_ms=9' });
  expect(rows.shutdown_ms).toMatchObject({ value: 7, name: '--set' });
  expect(rows['redis.timeout_ms']).toMatchObject({ value: 9, name: 'USB_DAEMON_SET' });
});

it('goes before the option or variable that has the same key, in its own place', async () => {
  const rows = await inForce(['--batch-size', '1', '--set', 'performance.batch_size=2'], { REDIS_DB: '3', USB_DAEMON_SET: 'redis.db=4' });
  expect(rows['performance.batch_size']).toMatchObject({ value: 2, name: '--set' });
  expect(rows['redis.db']).toMatchObject({ value: 4, name: 'USB_DAEMON_SET' });
  expect((await inForce(['--redis-db', '5'], { USB_DAEMON_SET: 'redis.db=4' }))['redis.db']).toMatchObject({ value: 5, name: '--redis-db' });
});

it('health asks where USB_DAEMON_SET has put the endpoint', async () => {
  const { code, stderr } = await finished(['health'], { env: { USB_DAEMON_SET: 'monitoring.healthcheck_port=1' } });
  expect([code, stderr]).toEqual([1, [expect.stringContaining('answers at 127.0.0.1:1:')]]);
});
