// `usb-daemon config`: what is in force, where each value comes from, and nothing secret.

import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command, finished } from './command.mjs';
import { packageRoot } from './daemon.mjs';

let folder;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'usb-daemon-config-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let files = 0;
async function configFile(content) {
  const path = join(folder, `config-${(files += 1)}.json`);
  await writeFile(path, JSON.stringify(content));
  return path;
}

/** The rows of `config --json`, by key, and its warnings. */
async function inForce(args, { content, env } = {}) {
  const path = content && (await configFile(content));
  const { code, stdout, stderr } = await finished(['config', '--json', ...(path ? ['--config', path] : []), ...args], { env });
  expect([code, stderr]).toEqual([0, []]);
  const lines = stdout.map((line) => JSON.parse(line));
  const of = (wanted) => lines.filter(({ type }) => type === wanted);
  const keys = Object.fromEntries(of('key').map(({ key, value, source, name }) => [key, { value, source, name }]));
  return { path, keys, warnings: of('warning').map(({ message }) => message) };
}

describe('an option goes before its variable, that before the file, and that before the default:', () => {
  const section = (path, value) => path.split('.').reduceRight((inner, key) => ({ [key]: inner }), value);
  for (const [key, option, variable, [inDefault, inFile, inEnvironment, inOption]] of [
    ['redis.host', '--redis-host', 'REDIS_HOST', ['localhost', 'file', 'environment', 'option']],
    ['redis.port', '--redis-port', 'REDIS_PORT', [6379, 1, 2, 3]],
    ['redis.db', '--redis-db', 'REDIS_DB', [0, 1, 2, 3]],
    ['redis.stream', '--redis-stream', 'REDIS_STREAM', ['aw:hotplug', 'file', 'environment', 'option']],
    ['redis.maxlen', '--redis-maxlen', 'REDIS_MAXLEN', [null, 1, 2, 3]],
    ['monitoring.host', '--http-host', 'USB_DAEMON_HTTP_HOST', ['127.0.0.1', '127.0.0.2', '127.0.0.3', '::1']],
    ['monitoring.healthcheck_port', '--http-port', 'USB_DAEMON_HTTP_PORT', [8080, 1, 2, 3]],
    ['monitoring.allowed_hosts', '--http-allowed-hosts', 'USB_DAEMON_HTTP_ALLOWED_HOSTS', [[], ['a1'], ['b2'], ['c3', 'd4']]],
    ['monitoring.interval', '--interval', 'USB_DAEMON_INTERVAL', [5000, 11, 12, 13]],
    ['performance.max_events_per_second', '--max-events-per-second', 'USB_DAEMON_MAX_EVENTS_PER_SECOND', [100, 1, 2, 3]],
    ['performance.batch_size', '--batch-size', 'USB_DAEMON_BATCH_SIZE', [10, 1, 2, 3]],
    ['filters.vendor_whitelist', '--vendor-whitelist', 'USB_DAEMON_VENDOR_WHITELIST', [[], [1], [2], [3, 0x46d]]],
    ['filters.vendor_blacklist', '--vendor-blacklist', 'USB_DAEMON_VENDOR_BLACKLIST', [[], [1], [2], [3, 0x46d]]],
    ['filters.device_class_filter', '--class-filter', 'USB_DAEMON_CLASS_FILTER', [[], [1], [2], [3, 8]]],
    ['outbox.path', '--outbox', 'USB_DAEMON_OUTBOX', [expect.stringMatching(/usb-daemon\/outbox\.db$/), '/file', '/environment', '/option']],
  ]) {
    it(key, async () => {
      const written = (value) => (Array.isArray(value) ? value.map((item) => item.toString(16)).join(',') : String(value));
      const content = section(key, inFile);
      const env = { [variable]: written(inEnvironment) };
      expect((await inForce([])).keys[key]).toEqual({ value: inDefault, source: 'default', name: null });
      const file = await inForce([], { content });
      expect(file.keys[key]).toEqual({ value: inFile, source: 'file', name: file.path });
      expect((await inForce([], { content, env })).keys[key]).toEqual({ value: inEnvironment, source: 'environment', name: variable });
      expect((await inForce([option, written(inOption)], { content, env })).keys[key]).toEqual({ value: inOption, source: 'option', name: option });
    });
  }
});

describe('what is in force', () => {
  it('says of switches which option or variable has set them', async () => {
    const { keys } = await inForce(['--no-redis', '--simulate'], { content: { sources: ['snapshot'], redis: { port: 7 } }, env: { USB_DAEMON_NO_HTTP: '1', USB_DAEMON_OUTBOX_FSYNC: '0' } });
    expect(keys.redis).toEqual({ value: false, source: 'option', name: '--no-redis' });
    expect(keys['sources.simulated']).toEqual({ value: true, source: 'option', name: '--simulate' });
    expect(keys['sources.libusb']).toMatchObject({ value: false, source: 'file' });
    expect(keys['monitoring.enabled']).toEqual({ value: false, source: 'environment', name: 'USB_DAEMON_NO_HTTP' });
    expect(keys['outbox.fsync']).toEqual({ value: false, source: 'environment', name: 'USB_DAEMON_OUTBOX_FSYNC' });
    expect(Object.keys(keys).filter((key) => key.startsWith('redis.'))).toEqual([]);
  });

  it('takes a section that the file has turned off from the defaults once an option turns it on', async () => {
    const { keys } = await inForce(['--redis-port', '7'], { content: { redis: false } });
    expect(keys['redis.port']).toMatchObject({ value: 7, source: 'option' });
    expect(keys['redis.host']).toMatchObject({ value: 'localhost', source: 'default' });
  });

  it('lets whoever names the server in a higher place mean that one', async () => {
    const server = ({ keys }) => ['url', 'path', 'host', 'port', 'db'].map((key) => keys[`redis.${key}`]?.value);
    const content = { redis: { url: 'redis://file:1/3' } };
    expect(server(await inForce([], { content }))).toEqual(['redis://file:1/3', undefined, undefined, undefined, undefined]);
    expect(server(await inForce(['--redis-host', 'b'], { env: { REDIS_URL: 'redis://a:1' } }))).toEqual([null, null, 'b', 6379, 0]);
    expect(server(await inForce(['--redis-host', 'b', '--redis-port', '2'], { content }))).toEqual([null, null, 'b', 2, 0]);
    expect(server(await inForce(['--set', 'redis.path=/s'], { content, env: { REDIS_HOST: 'h' } }))).toEqual([null, '/s', undefined, undefined, 0]);
    expect(server(await inForce(['--redis-url', 'redis://h/0'], { env: { REDIS_DB: '2' } }))).toEqual(['redis://h/0', undefined, undefined, undefined, undefined]);
    expect(server(await inForce(['--redis-db', '2'], { content }))).toEqual(['redis://file:1', undefined, undefined, undefined, 2]);
  });

  it('can be switched both ways by an option and its variable', async () => {
    const content = { redis: { port: 7 }, outbox: { fsync: true, required: true }, monitoring: { enabled: false }, sources: ['simulated'] };
    const env = { USB_DAEMON_NO_REDIS: '1', USB_DAEMON_OUTBOX_FSYNC: '0', USB_DAEMON_OUTBOX_REQUIRED: 'no', USB_DAEMON_NO_HTTP: 'false', USB_DAEMON_SIMULATE: '0' };
    const byVariable = (await inForce([], { content, env })).keys;
    expect(['redis', 'outbox.fsync', 'outbox.required', 'monitoring.enabled', 'sources.simulated'].map((key) => byVariable[key].value)).toEqual([false, false, false, true, false]);
    expect(byVariable['outbox.fsync']).toMatchObject({ source: 'environment', name: 'USB_DAEMON_OUTBOX_FSYNC' });
    const byOption = (await inForce(['--no-redis=no', '--outbox-fsync', '--no-http', '--simulate=yes'], { content, env })).keys;
    expect(['redis.port', 'outbox.fsync', 'outbox.required', 'monitoring.enabled', 'sources.simulated'].map((key) => byOption[key].value)).toEqual([7, true, false, false, true]);
  });

  it('stays without Redis where the file says so, whatever host happens to be set', async () => {
    const content = { redis: false };
    const { keys, warnings, path } = await inForce([], { content, env: { REDIS_HOST: 'ambient', REDIS_PASSWORD: 'hush' } });
    expect(keys.redis).toMatchObject({ value: false, source: 'file' });
    expect(warnings).toContain(`redis.host (REDIS_HOST) has no effect: redis is false (${path})`);
    for (const [args, env] of [[['--redis-port', '7'], {}], [[], { REDIS_URL: 'redis://h' }], [[], { USB_DAEMON_NO_REDIS: '0' }], [['--set', 'redis={}'], {}]]) {
      expect((await inForce(args, { content, env })).keys.redis, JSON.stringify([args, env])).toBeUndefined();
    }
  });

  it('says which keys of the file something else goes before', async () => {
    const { warnings } = await inForce(['--vendor-blacklist', '1234'], { content: { filters: { vendor_blacklist: ['0409'] }, shutdown_ms: 7 }, env: { USB_DAEMON_SET: 'shutdown_ms=8' } });
    expect(warnings).toEqual(['filters.vendor_blacklist of the file has no effect: --vendor-blacklist goes before it', 'shutdown_ms of the file has no effect: USB_DAEMON_SET goes before it']);
  });

  it('has every key of the defaults', async () => {
    const { defaultConfig } = createRequire(import.meta.url)('..');
    const { keys } = await inForce([]);
    const leaves = (value, path) => (value !== null && typeof value === 'object' && !Array.isArray(value) ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key])) : [path.join('.')]);
    expect(Object.keys(keys)).toEqual(expect.arrayContaining(leaves(defaultConfig, [])));
  });

  it('is a table for people, with warnings on stderr', async () => {
    const path = await configFile({ redis: { url: 'redis://h', lazyConnect: true } });
    const { code, stdout, stderr } = await finished(['config', '--config', path, '--redis-port', '7']);
    expect(code).toBe(0);
    expect(stdout).toContainEqual(expect.stringMatching(/^performance\.batch_size +10 +default$/));
    expect(stdout.find((line) => line.startsWith('redis.port'))).toMatch(/^redis\.port +7 +option --redis-port$/);
    expect(stderr).toEqual([
      'warning: redis.lazyConnect is an option of ioredis that has no effect here',
      `warning: redis.url (${path}) has no effect: --redis-port goes before it`,
    ]);
  });
});

describe('a secret is masked:', () => {
  const url = 'redis://somebody:hush@example.org:7/1';
  for (const [what, content, args, env] of [
    ['in the file', { redis: { url, password: 'hush' } }, [], {}],
    ['in the environment', {}, [], { REDIS_URL: url, REDIS_PASSWORD: 'hush' }],
    ['in an option', {}, ['--redis-url', url, '--redis-password', 'hush'], {}],
  ]) {
    it(what, async () => {
      const { keys, warnings } = await inForce(args, { content, env });
      expect(keys['redis.url'].value).toBe('redis://somebody:***@example.org:7/1');
      expect(warnings).toEqual([expect.stringMatching(/^redis\.password \(.*\) has no effect: redis\.url goes before it$/)]);
      const { stdout, stderr } = await finished(['config', '--config', await configFile(content), ...args], { env });
      expect(stdout.join('\n')).toContain('***');
      expect([...stdout, ...stderr].join('\n')).not.toContain('hush');
    });
  }
});

it('a password that no URL has is masked too', async () => {
  for (const [args, env] of [[['--redis-password', 'hush'], {}], [[], { REDIS_PASSWORD: 'hush' }], [['--set', 'redis.password=hush'], {}]]) {
    expect((await inForce(args, { env })).keys['redis.password'].value).toBe('***');
  }
});

it('a bad configuration ends with 2 and all that is wrong in one line', async () => {
  const path = await configFile({ redis: { prot: 1 }, monitoring: { interval: 'x' } });
  const { code, stdout, stderr } = await finished(['config', '--config', path, '--batch-size', '0', '--vendor-whitelist', '046d,zz']);
  expect([code, stdout, stderr.length]).toEqual([2, [], 1]);
  for (const part of ['4 faults', 'redis.prot is no key: did you mean "port"?', 'monitoring.interval is "x"', 'performance.batch_size (--batch-size) is 0', 'filters.vendor_whitelist[1] (--vendor-whitelist) is "zz"', '[ERR_USB_CONFIG]']) {
    expect(stderr[0]).toContain(part);
  }
});

it('a bad value in the file is named though an option hides it', async () => {
  const path = await configFile({ filters: { vendor_blacklist: ['zz'] }, redis: { port: 'x' } });
  const { code, stderr } = await finished(['config', '--config', path, '--vendor-blacklist', '1234', '--no-redis']);
  expect([code, stderr]).toEqual([2, [expect.stringContaining('2 faults: filters.vendor_blacklist[0] is "zz"')]]);
  expect(stderr[0]).toContain('redis.port is "x"');
});

it("the package's schema is the one that --schema prints, and names itself in a file", async () => {
  const { code, stdout } = await finished(['config', '--schema']);
  expect(code).toBe(0);
  const schema = readFileSync(join(packageRoot, 'usb-daemon.schema.json'), 'utf8');
  expect(stdout.join('\n'), 'write it again: USB_DAEMON_WRITE_SCHEMA=1 cargo test -p usb-daemon-core --lib schema').toBe(schema.trimEnd());
  const { files: packed } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  expect(packed).toContain('usb-daemon.schema.json');
  await inForce([], { content: { $schema: 'node_modules/@autoweave/usb-daemon/usb-daemon.schema.json' } });
});

it('--help says in which order it is', async () => {
  for (const args of [['--help'], ['config', '--help']]) {
    const { stdout } = await finished(args);
    expect(stdout.join(' ').replace(/\s+/g, ' ')).toContain('Options go before environment variables, these before the configuration file, and that before the defaults.');
  }
});

it('a run takes the new options too', async () => {
  const run = command(['--no-redis', '--no-http', '--simulate', '--vendor-blacklist', '0409']);
  const [line] = await run.stdout.waitFor(/ attach /);
  expect(line).not.toContain('0409:');
  expect(await run.end()).toEqual({ code: 0, signal: null });
});
