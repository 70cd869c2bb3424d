// The command line: what it prints, where, and how it ends.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { command, finished } from './command.mjs';
import { FAILURES, SECRET } from './redis-failures.mjs';
import { fieldsOf, freePort, seqsOf, startRedis, upTo } from './redis-server.mjs';

const ALONE = ['--no-redis', '--no-http'];
const ATTACH = /^\d{4}-\d\d-\d\dT[\d:.]+Z {2}attach {2}/;
const DETACH = /^\d{4}-\d\d-\d\dT[\d:.]+Z {2}detach {2}/;
const TRACE = /^\s+at |panicked|Error:|RUST_BACKTRACE/;

let folder;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'usb-daemon-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let files = 0;
async function configFile(content) {
  const path = join(folder, `config-${(files += 1)}.json`);
  await writeFile(path, typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content));
  return path;
}

/** A pipe that takes nothing more; nobody reads it. */
function fullPipe(path) {
  execFileSync('mkfifo', [path]);
  const filling = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(filling));
  const page = Buffer.alloc(4096);
  const taken = () => {
    try {
      return writeSync(filling, page);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      return 0;
    }
  };
  while (taken() > 0);
  return openSync(path, 'r+');
}

describe('bad input is one line on stderr and exit code 2:', () => {
  const unknownKey = '"redis": { "prot\\n\\u001b[31m\\u0000": 1 }';
  for (const [name, args, expected, env] of [
    ['an unknown option', ['--redis-prot', '1'], "unexpected argument '--redis-prot' found; tip: a similar argument exists: '--redis-port'"],
    ['an unknown option with control characters', ['--\u001b[31mred\nnext'], 'unexpected argument'],
    ['an unknown command', ['frobnicate'], "unrecognized subcommand 'frobnicate'"],
    ['a bad value', ['--redis-port', 'abc'], 'redis.port (--redis-port) is "abc": expected a whole number from 0 to 65535'],
    ['a bad value with a newline', ['--redis-port', 'a\nb'], 'redis.port (--redis-port) is "a\\nb"'],
    ['a port that no host has', ['--http-port', '70000'], 'monitoring.healthcheck_port (--http-port) is 70000: expected a whole number from 0 to 65535'],
    ['a word that is neither yes nor no', ['--no-redis=flase'], "invalid value 'flase' for '--no-redis[=<YES|NO>]': expected yes or no"],
    ['a variable that is neither yes nor no', [], "invalid value 'nope' for 'USB_DAEMON_SIMULATE': expected yes or no", { USB_DAEMON_SIMULATE: 'nope' }],
    ['a missing value', ['--interval'], "a value is required for '--interval <MS>'"],
    ['a value out of bounds', ['--interval', '5'], 'monitoring.interval (--interval) is 5: expected a whole number from 10 to 86400000'],
    ['a bad address', ['--http-host', 'everywhere'], 'monitoring.host (--http-host) is "everywhere": expected an IP address'],
    ['a bad variable', [], 'redis.port (REDIS_PORT) is "x": expected a whole number', { REDIS_PORT: 'x' }],
    ['a class that is none', ['--class-filter', '08,toaster'], 'filters.device_class_filter (--class-filter) has "toaster": expected two hexadecimal digits'],
    ['a path without a value', ['--set', 'shutdown_ms'], '--set is without a path: expected path=value'],
    ['a path that is none', ['--set', 'shutdown=1'], 'shutdown (--set) is no key: did you mean "shutdown_ms"?'],
    ['a bad value for a path', [], 'shutdown_ms (USB_DAEMON_SET) is "soon": expected a whole number', { USB_DAEMON_SET: '\nredis.db=1\nshutdown_ms=soon\n' }],
    ['a bad LOG_LEVEL', [], 'LOG_LEVEL is "loud": expected error, warn, info, debug or trace', { LOG_LEVEL: 'loud' }],
    ['a bad RUST_LOG', [], 'RUST_LOG is "a=b=c"', { RUST_LOG: 'a=b=c' }],
    ['a configuration file that is not there', ['--config', '/nowhere/config.json'], 'configuration file /nowhere/config.json: No such file'],
    ['a configuration file that is a folder', ['--config', '/tmp'], 'configuration file /tmp: Is a directory'],
    ['bad JSON', '{ "redis": ', 'EOF while parsing'],
    ['JSON that is no object', '[1]', 'invalid type: sequence'],
    ['bytes that are no text', Buffer.from([0xff, 0xfe]), 'stream did not contain valid UTF-8'],
    ['an unknown key', '{ "redis": { "prot": 1 } }', 'redis.prot is no key: did you mean "port"?'],
    ['an unknown key with control characters', `{ ${unknownKey} }`, 'redis.prot\u{fffd}\u{fffd}[31m\u{fffd} is no key: expected db, host'],
    ['a bad value in the file', '{ "redis": { "port": "x" } }', 'redis.port is "x": expected a whole number from 0 to 65535'],
    ['a section that is no object', '{ "monitoring": 7 }', 'monitoring is 7: expected an object with allowed_hosts, enabled, healthcheck_port, host, interval or token'],
    ['an unknown source', '{ "sources": ["udev"] }', 'sources[0] is "udev": expected netlink, libusb, snapshot or simulated'],
  ]) {
    it(name, async () => {
      const argv = Array.isArray(args) ? args : ['--config', await configFile(args)];
      const { code, stdout, stderr } = await finished([...argv, '--no-http'], { env });
      expect(stderr).toEqual([expect.stringContaining(expected)]);
      expect(stderr[0]).toMatch(/^error: [^\p{Cc}]+ \[ERR_USB_\w+\]$/u);
      expect(stdout).toEqual([]);
      expect(code).toBe(2);
    });
  }

  it('every bad variable and option at once', async () => {
    const env = { REDIS_PORT: 'tcp://10.0.0.1:6379', REDIS_DB: 'y', USB_DAEMON_BATCH_SIZE: 'z' };
    const { code, stderr } = await finished(['--no-http', '--http-host', 'nowhere'], { env });
    expect([code, stderr.length]).toEqual([2, 1]);
    for (const part of ['4 faults', 'redis.port (REDIS_PORT) is "tcp://10.0.0.1:6379"', 'redis.db (REDIS_DB) is "y"', 'performance.batch_size (USB_DAEMON_BATCH_SIZE) is "z"', 'monitoring.host (--http-host) is "nowhere"', '[ERR_USB_CONFIG]']) {
      expect(stderr[0]).toContain(part);
    }
  });

  it('a variable that is nearly one of ours is told of, and which one is meant', async () => {
    const { code, stderr } = await finished(['config', '--json'], { env: { USB_DAEMON_HTTP_TOKN: 'secret', USB_DAEMON_SOMETHING_ELSE: '1' } });
    expect([code, stderr]).toEqual([0, ['warning: the variable USB_DAEMON_HTTP_TOKN is not known and has no effect: is USB_DAEMON_HTTP_TOKEN meant?']]);
  });

  it('of a run is none of another command\'s business', async () => {
    const env = { USB_DAEMON_SIMULATE: 'nope', USB_DAEMON_OUTBOX_FSYNC: 'perhaps', REDIS_PORT: 'tcp://10.0.0.1:6379', USB_DAEMON_SET: 'redis.port=x', USB_DAEMON_CLASS_FILTER: 'toaster' };
    const port = String(await freePort());
    for (const [args, expected] of [
      [['list', '--json'], 0],
      [['completions', 'bash'], 0],
      [['wait', '--gone', '--serial', 'nobody has this'], 0],
      [['health', '--http-port', port], 1],
      [['tail', '--outbox', join(folder, 'none.db')], 1],
    ]) {
      const { code, stderr } = await finished(args, { env });
      expect([args[0], code, stderr.join('').includes('redis')]).toEqual([args[0], expected, false]);
    }
  });

  it('a secret is not repeated', async () => {
    const { stderr } = await finished(['--redis-port', 'x', '--set', `redis.password ${SECRET}`, '--set', `redis.url=http://${SECRET}@h`], { env: { REDIS_PASSWORD: SECRET } });
    expect(stderr.join('\n')).not.toContain(SECRET);
  });
});

describe('help', () => {
  it('lists the options with their variables, examples and exit codes', async () => {
    for (const args of [['--help'], ['run', '--help'], ['-h']]) {
      const { code, stdout, stderr } = await finished(args);
      const text = stdout.join('\n');
      for (const part of ['--json', '--simulate', '--config', 'REDIS_HOST', 'REDIS_PASSWORD', 'LOG_LEVEL', 'Exit codes']) expect(text).toContain(part);
      expect([code, stderr]).toEqual([0, []]);
    }
  });

  it('does not show the password that is set', async () => {
    const { stdout } = await finished(['--help'], { env: { REDIS_PASSWORD: SECRET } });
    expect(stdout.join('\n')).not.toContain(SECRET);
  });

  it("has the package's version", async () => {
    const { version } = createRequire(import.meta.url)('../package.json');
    expect(await finished(['--version'])).toEqual({ code: 0, stdout: [`usb-daemon ${version}`], stderr: [] });
  });
});

describe('a run', () => {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    it(`shows simulated devices coming and going, and ends with 0 at ${signal}`, async () => {
      const run = command([...ALONE, '--simulate']);
      await run.stdout.waitFor(DETACH);
      expect(await run.end(signal)).toEqual({ code: 0, signal: null });
      for (const line of run.stdout.lines) expect(ATTACH.test(line) || DETACH.test(line), line).toBe(true);
      expect(run.stdout.lines[0]).toMatch(/ attach {2}200:\d{3} {2}port 1 {8}0409:55aa Example Hub {2}\(simulated\)$/);
      expect(run.stderr.lines).toContainEqual(expect.stringMatching(/^simulated up {11}takes simulated devices$/));
    });
  }

  it('is what the command run does too', async () => {
    const run = command(['run', ...ALONE, '--simulate']);
    await run.stdout.waitFor(ATTACH);
    expect(await run.end()).toEqual({ code: 0, signal: null });
  });

  it('says what of its configuration has no effect, on stderr or with --json among the other objects', async () => {
    const config = await configFile({ redis: { port: await freePort(), lazyConnect: true, url: 'redis://far' }, sources: [], monitoring: { enabled: false } });
    const args = ['--config', config, '--redis-host', '127.0.0.1', '--simulate'];
    const warnings = ['redis.lazyConnect is an option of ioredis that has no effect here', `redis.url (${config}) has no effect: --redis-host goes before it`];
    const run = command(args);
    await run.stdout.waitFor(ATTACH);
    await run.end();
    expect(run.stderr.lines.slice(0, 2)).toEqual(warnings.map((warning) => `warning: ${warning}`));
    const json = command([...args, '--json']);
    await json.stdout.waitFor(/"type":"attach"/);
    await json.end();
    expect(json.stdout.lines.map((line) => JSON.parse(line)).filter(({ type }) => type === 'warning').map(({ message }) => message)).toEqual(warnings);
  });

  it('says on stderr which sources live and why others do not', async () => {
    const run = command(ALONE);
    for (const source of ['netlink', 'libusb', 'snapshot']) {
      const [line] = await run.stderr.waitFor(new RegExp(`^${source} `));
      expect(line).toMatch(/^\S+ +(up|deaf|failed|unavailable) +\S/);
    }
    await run.end();
    expect(run.stdout.lines.filter((line) => !ATTACH.test(line))).toEqual([]);
  });

  it('prints NDJSON with --json, on stdout only', async () => {
    const run = command([...ALONE, '--simulate', '--json']);
    await run.stdout.waitFor(/"type":"detach"/);
    expect(await run.end()).toEqual({ code: 0, signal: null });
    const notices = run.stdout.lines.map((line) => JSON.parse(line));
    expect(notices.filter(({ type }) => type === 'started')).toHaveLength(1);
    expect(notices.at(-1)).toEqual({ type: 'stopped' });
    expect(notices.find(({ type }) => type === 'attach').info).toMatchObject({ vendorId: 0x0409, backend: 'simulated', eventId: expect.stringMatching(/:1$/) });
    expect(run.stderr.lines).toEqual([]);
  });

  it('ends without a word where its reader has gone', async () => {
    const run = command([...ALONE, '--simulate']);
    await run.stdout.waitFor(ATTACH);
    run.stdout.close();
    expect(await run.exit).toEqual({ code: 0, signal: null });
    expect(run.stderr.lines.filter((line) => TRACE.test(line))).toEqual([]);
  });

  it('goes on where nobody takes what it says on stderr', async () => {
    const full = openSync('/dev/full', 'w');
    const run = command([...ALONE, '--simulate'], { stdio: ['ignore', 'pipe', full] });
    closeSync(full);
    await run.stdout.waitFor(ATTACH, { count: 2 });
    expect(await run.end()).toEqual({ code: 0, signal: null });
  });

  it('gives a bad argument its exit code where stderr is full', async () => {
    const full = openSync('/dev/full', 'w');
    const run = command(['--bogus'], { stdio: ['ignore', 'pipe', full] });
    closeSync(full);
    expect(await run.exit).toEqual({ code: 2, signal: null });
  });

  it('logs to stderr at the level that LOG_LEVEL names', async () => {
    const run = command([...ALONE, '--simulate'], { env: { LOG_LEVEL: 'DEBUG' } });
    const [line] = await run.stderr.waitFor(/"level":"DEBUG".*"event_id"/);
    expect(JSON.parse(line).fields).toMatchObject({ action: 'attach', backend: 'simulated' });
    await run.end();
    expect(run.stdout.lines.filter((other) => !ATTACH.test(other) && !DETACH.test(other))).toEqual([]);
  });

  it('takes variables that are set to nothing as not set, and 1 and 0 as yes and no', async () => {
    const env = { REDIS_HOST: '', REDIS_PORT: '', REDIS_DB: '', REDIS_PASSWORD: '', LOG_LEVEL: '', USB_DAEMON_CONFIG: '', USB_DAEMON_INTERVAL: '' };
    const run = command(['run', '--no-http'], { env: { ...env, USB_DAEMON_JSON: '0', USB_DAEMON_SIMULATE: '1', USB_DAEMON_NO_REDIS: 'true', USB_DAEMON_NO_HTTP: '' } });
    await run.stdout.waitFor(ATTACH);
    expect(await run.end()).toEqual({ code: 0, signal: null });
  });

  it('says in one line that its port is taken, and goes on', async () => {
    const other = createServer((_request, response) => response.end()).listen(0, '127.0.0.1');
    onTestFinished(() => other.close());
    await once(other, 'listening');
    const run = command(['--no-redis', '--simulate', '--http-port', String(other.address().port)]);
    await run.stdout.waitFor(ATTACH, { count: 2 });
    expect(await run.end()).toEqual({ code: 0, signal: null });
    const lines = run.stderr.lines.filter((line) => /ERR_USB_PORT/.test(line));
    expect(lines).toEqual([expect.stringMatching(/^error .*another process has this port: set monitoring\.healthcheck_port/)]);
    expect(run.stderr.lines.filter((line) => TRACE.test(line))).toEqual([]);
  });
});

describe('a run with Redis', () => {
  it('finds it through REDIS_HOST, REDIS_PORT, REDIS_DB and REDIS_PASSWORD, and arguments go before', async () => {
    const server = await startRedis({ args: ['--requirepass', SECRET], client: { password: SECRET, db: 3 } });
    onTestFinished(() => server.close());
    const env = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(server.port), REDIS_DB: '2', REDIS_PASSWORD: SECRET };
    const run = command(['--no-http', '--simulate', '--redis-db', '3'], { env });
    await run.stderr.waitFor(/^redis {5}up /);
    await run.stdout.waitFor(ATTACH, { count: 2 });
    expect(await run.end()).toEqual({ code: 0, signal: null });
    const entries = await server.entries();
    expect(seqsOf(entries)).toEqual(upTo(run.stdout.lines.length));
    expect([...run.stderr.lines, ...run.stdout.lines].join('\n')).not.toContain(SECRET);
  });

  it('finds it through a configuration file, over which arguments go', async () => {
    const server = await startRedis();
    onTestFinished(() => server.close());
    const config = await configFile({ redis: { host: '127.0.0.1', port: 1, stream: 'mine' }, sources: [], monitoring: { enabled: false } });
    const run = command(['--config', config, '--simulate', '--redis-port', String(server.port)]);
    await run.stdout.waitFor(ATTACH);
    await run.end();
    expect(seqsOf(await server.entries('mine'))).toEqual(upTo(run.stdout.lines.length));
    expect(run.stderr.lines.filter((line) => /^(netlink|libusb) +up/.test(line))).toEqual([]);
  });

  for (const { name, reason, open, redis = {}, db } of FAILURES) {
    it(`that does not take events (${name}) says so in one line, prints events, and publishes them later`, async () => {
      const failure = await open();
      onTestFinished(() => failure.close());
      const config = await configFile({ redis: { ...failure.redis, ...redis }, sources: [], monitoring: { enabled: false } });
      const run = command(['--config', config, '--simulate']);
      const [line] = await run.stderr.waitFor(/^redis {5}away /);
      expect(line).toMatch(reason);
      await failure.retried(3);
      await run.stdout.waitFor(ATTACH, { count: 2 });
      const linesOnRedis = () => run.stderr.lines.filter((other) => other.startsWith('redis'));
      // It may have been well until there was an event to refuse.
      const before = linesOnRedis();
      expect(before.filter((other) => !/^redis {5}up /.test(other))).toEqual([line]);
      expect(before.at(-1)).toBe(line);
      const recovered = await failure.recover();
      if (db) await recovered.client.select(db);
      await run.stderr.waitFor(/^redis {5}up /, { count: before.length });
      expect(await run.end()).toEqual({ code: 0, signal: null });
      const text = [...run.stderr.lines, ...run.stdout.lines].join('\n');
      expect(text).not.toContain(SECRET);
      expect(run.stderr.lines.filter((other) => TRACE.test(other))).toEqual([]);
      const entries = await recovered.entries();
      expect(seqsOf(entries)).toEqual(upTo(run.stdout.lines.length));
      expect(entries.map((entry) => fieldsOf(entry).action)).toEqual(run.stdout.lines.map((one) => (ATTACH.test(one) ? 'attach' : 'detach')));
    });
  }

  for (const [what, signals, { shutdown_ms, code }] of [
    ['a signal', ['SIGTERM'], { shutdown_ms: 500, code: 0 }],
    ['a second signal at once', ['SIGINT', 'SIGTERM'], { shutdown_ms: 300_000, code: null }],
  ]) {
    it(`publishes though its reader has fallen asleep, and ends at ${what}`, async () => {
      const server = await startRedis();
      onTestFinished(() => server.close());
      const stdout = fullPipe(join(folder, `pipe-${(files += 1)}`));
      const config = await configFile({ redis: { host: '127.0.0.1', port: server.port }, sources: [], monitoring: { enabled: false }, shutdown_ms });
      const run = command(['--config', config, '--simulate'], { stdio: ['ignore', stdout, 'pipe'] });
      closeSync(stdout);
      await server.waitForEntries(2);
      for (const signal of signals) run.kill(signal);
      expect((await run.exit).code).toBe(code);
    });
  }

  for (const [where, outbox, said] of [
    ['on disk', [], (count) => new RegExp(`^outbox {4}up {11}/.*/outbox\\.db, ${count} events wait$`)],
    ['in memory', ['--outbox', ':memory:'], (count) => new RegExp(`^error {5}unpublished events: ${count}; redis did not take them before the daemon stopped \\[ERR_USB_REDIS\\]$`)],
  ]) {
    it(`that never comes ends with 0 all the same, and says what is not published, with the outbox ${where}`, async () => {
      const config = await configFile({ redis: { host: '127.0.0.1', port: await freePort() }, sources: [], monitoring: { enabled: false }, shutdown_ms: 100 });
      const run = command(['--config', config, '--simulate', ...outbox]);
      await run.stderr.waitFor(/^redis {5}away /);
      await run.stdout.waitFor(ATTACH);
      expect(await run.end()).toEqual({ code: 0, signal: null });
      expect(run.stderr.lines.at(-1)).toMatch(said(run.stdout.lines.length));
    });
  }
});
