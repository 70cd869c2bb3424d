// The commands beside `run` and `tail`, where there is no USB: what they print, where, and how they end.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { command, finished, stateFolder } from './command.mjs';
import { fieldsOf, freePort, startRedis, upTo } from './redis-server.mjs';

const COMMANDS = ['run', 'list', 'watch', 'wait', 'tail', 'simulate', 'health', 'doctor', 'config', 'completions'];
const withoutBus = !existsSync('/sys/bus/usb');

async function redis(options) {
  const server = await startRedis(options);
  onTestFinished(() => server.close());
  return server;
}

/** Listens on a port of its own until the test ends; gives the port. */
async function listening(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sockets = new Set();
  server.on('connection', (socket) => sockets.add(socket));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return String(server.address().port);
}

describe('help', () => {
  it.each(COMMANDS)('of %s has examples, exit codes, and a variable for each option', async (name) => {
    const { code, stdout, stderr } = await finished([name, '--help']);
    expect([code, stderr]).toEqual([0, []]);
    const text = stdout.join('\n');
    expect(text).toMatch(/^Examples:$/m);
    expect(text).toMatch(/^Exit codes.*:\n {2}0 {2}\S/m);
    const options = text.split(/\n(?= +(?:-\w, )?--)/).slice(1);
    for (const option of options.filter((part) => !/--help|--version/.test(part.split('\n')[0]))) {
      expect(option).toMatch(/\[env:\s+\w+\]/);
    }
  });
});

it.each(['list', 'watch', 'wait'])('help of %s puts under the heading of devices what is about devices', async (name) => {
  const { stdout } = await finished([name, '--help']);
  const at = stdout.indexOf('Which devices:');
  const end = stdout.indexOf('', at);
  const under = stdout.slice(at, end === -1 ? undefined : end + 100).join('\n').split('Examples:')[0];
  const options = [...under.matchAll(/^ +(--[\w-]+)/gm)].map(([, option]) => option);
  expect(options).toEqual(['--vendor', '--product', '--serial', '--stable-id', '--port', '--class', '--capability']);
});

it('help says what an option does in this command', async () => {
  const help = async (name) => (await finished([name, '--help'])).stdout.join(' ').replace(/\s+/g, ' ');
  expect(await help('config')).toContain('Print each key, and each warning, as one JSON object a line');
  const doctor = await help('doctor');
  expect(doctor).toContain('Print each finding as one JSON object a line');
  expect(doctor).toContain('--redis-maxlen');
  expect(await help('tail')).toContain('2 bad arguments or configuration');
  for (const name of ['run', 'config', 'doctor', 'simulate']) expect(await help(name)).toContain('--set <PATH=VALUE>');
});

describe.runIf(withoutBus)('without a USB bus', () => {
  it('list takes what has been typed before a variable', async () => {
    const said = ['this machine has no USB bus'];
    expect(await finished(['list', '--columns'], { env: { USB_DAEMON_JSON: '1' } })).toEqual({ code: 0, stdout: [], stderr: said });
    expect(await finished(['list', '--json'], { env: { USB_DAEMON_COLUMNS: '1' } })).toEqual({ code: 0, stdout: [], stderr: [] });
    expect(await finished(['list'], { env: { USB_DAEMON_COLUMNS: '1', USB_DAEMON_JSON: '1' } })).toEqual({ code: 0, stdout: [], stderr: [] });
  });

  it('list says so, and prints nothing', async () => {
    for (const args of [[], ['--tree'], ['--columns']]) {
      expect(await finished(['list', ...args])).toEqual({ code: 0, stdout: [], stderr: ['this machine has no USB bus'] });
    }
    expect(await finished(['list', '--json'])).toEqual({ code: 0, stdout: [], stderr: [] });
  });

  it('watch says so, waits, and ends with 0', async () => {
    const run = command(['watch']);
    await run.stderr.waitFor(/^usb {7}absent {7}this machine has no USB bus/);
    expect(await run.end()).toEqual({ code: 0, signal: null });
    expect(run.stdout.lines).toEqual([]);
  });

  it('watch ends when its reader has gone, though nothing is there to be written', async () => {
    const run = command(['watch']);
    await run.stderr.waitFor(/absent/);
    run.stdout.close();
    expect(await run.exit).toEqual({ code: 0, signal: null });
  });

  it('wait --gone has nothing to wait for', async () => {
    expect(await finished(['wait', '--gone', '--class', 'hub'])).toEqual({ code: 0, stdout: [], stderr: [] });
  });

  it('doctor warns, and goes on', async () => {
    const { code, stdout, stderr } = await finished(['doctor', '--no-redis', '--json']);
    const findings = stdout.map((line) => JSON.parse(line));
    expect(findings[0]).toMatchObject({ subject: 'usb bus', grade: 'warn', advice: expect.stringContaining('modprobe') });
    expect(findings.at(-1)).toEqual({ subject: 'redis', grade: 'ok', found: 'nothing is published, by configuration' });
    expect([code, stderr]).toEqual([0, []]);
  });
});

describe('wait', () => {
  it('gives up with 3 when the time has run out, and says what did not come', async () => {
    const { code, stdout, stderr } = await finished(['wait', '--vendor', '046d,0x781', '--class', '8', '--timeout', '50ms']);
    expect(stderr).toEqual(['error: no device is there after 50ms: vendor 046d or 0781, class storage [ERR_USB_TIMEOUT]']);
    expect([code, stdout]).toEqual([3, []]);
  });

  it('ends with 1 when it is stopped before', async () => {
    const run = command(['wait', '--serial', 'nobody has this'], { env: { LOG_LEVEL: 'info' } });
    await run.stderr.waitFor(/"source":"netlink"/);
    expect(await run.end()).toEqual({ code: 1, signal: null });
    expect(run.stderr.lines).toContain('stopped before it came true: serial nobody has this');
  });

  for (const [args, expected, env] of [
    [[], 'wait for what? give --vendor, --product, --serial, --stable-id, --port, --class or --capability [ERR_USB_CONFIG]'],
    [['--vendor', 'toaster'], 'as in 046d or 0x046d'],
    [['--vendor', '046d', '--timeout', 'soon'], 'as in 500ms, 30s or 2m'],
    [['--port', 'left'], 'as in 4.2 or 1-4.2'],
    [['--class', '100'], 'one of audio'],
    [['--class', 'hub', '--config', '/nowhere.json'], 'configuration file /nowhere.json: No such file'],
    [[], "invalid value '-1' for 'USB_DAEMON_PRODUCT': expected up to four hexadecimal digits, as in 046d or 0x046d; --help lists what there is [ERR_USB_CONFIG]", { USB_DAEMON_PRODUCT: '-1' }],
    [['--product=-1'], "invalid value '-1' for '--product <ID>'", { USB_DAEMON_PRODUCT: '1' }],
  ]) {
    it(`refuses ${JSON.stringify(env ?? args)} with 2, in one line`, async () => {
      const { code, stdout, stderr } = await finished(['wait', ...args], { env });
      expect(stderr).toEqual([expect.stringContaining(expected)]);
      expect([code, stdout]).toEqual([2, []]);
    });
  }
});

describe('simulate', () => {
  it('publishes each event of its cycles, says how many, and leaves no outbox behind', async () => {
    const server = await redis();
    const state = stateFolder();
    const { code, stdout, stderr } = await finished(['simulate', '--count', '3', '--rate', '2000', '--redis-port', String(server.port), '--redis-host', '127.0.0.1'], { env: { XDG_STATE_HOME: state } });
    expect(code, stderr.join('\n')).toBe(0);
    expect(stdout).toHaveLength(24);
    expect(stderr.at(-1)).toBe(`sum       24 events, 0 filtered, 24 published to 127.0.0.1:${server.port}`);
    const entries = (await server.entries()).map(fieldsOf);
    expect(entries.map(({ seq }) => Number(seq))).toEqual(upTo(24));
    expect(entries.filter(({ action }) => action === 'detach')).toHaveLength(12);
    expect(readdirSync(state)).toEqual([]);
  });

  it('ends with 1 where Redis is away, and says what was lost in one line', async () => {
    const config = join(stateFolder(), 'config.json');
    await writeFile(config, JSON.stringify({ shutdown_ms: 50 }));
    const { code, stdout, stderr } = await finished(['simulate', '--rate', '2000', '--json', '--config', config, '--redis-port', String(await freePort())]);
    expect(JSON.parse(stdout.at(-1))).toEqual({ type: 'sum', events: 8, filtered: 0, published: 0, unpublished: 8 });
    expect(stderr).toEqual([expect.stringMatching(/^error: 8 events have not been published: .*refused.* \[ERR_USB_REDIS\]$/)]);
    expect(code).toBe(1);
  });

  it('ends with 1 where it was stopped before the end, and says so', async () => {
    const run = command(['simulate', '--no-redis', '--count', '1000', '--rate', '20']);
    await run.stdout.waitFor(/ attach /);
    expect(await run.end()).toEqual({ code: 1, signal: null });
    expect(run.stderr.lines.at(-1)).toMatch(/^stopped before the end: \d+ of 8000 events$/);
  });

  it('prints what of its configuration has no effect', async () => {
    const config = join(stateFolder(), 'config.json');
    await writeFile(config, JSON.stringify({ redis: { lazyConnect: true }, shutdown_ms: 50 }));
    const args = ['simulate', '--rate', '2000', '--config', config, '--redis-port', String(await freePort())];
    expect((await finished(args)).stderr[0]).toBe('warning: redis.lazyConnect is an option of ioredis that has no effect here');
    const { stdout } = await finished([...args, '--json']);
    expect(stdout.map((line) => JSON.parse(line))).toContainEqual({ type: 'warning', message: 'redis.lazyConnect is an option of ioredis that has no effect here' });
  });

  it('refuses a rate of nothing and a count of nothing', async () => {
    for (const args of [['--rate', '0'], ['--rate', 'NaN'], ['--count', '0']]) expect((await finished(['simulate', ...args])).code).toBe(2);
  });
});

describe('health', () => {
  async function daemon(args, config = {}) {
    const file = join(stateFolder(), 'config.json');
    await writeFile(file, JSON.stringify(config));
    const port = String(await freePort());
    const run = command(['--config', file, '--http-port', port, '--json', ...args]);
    await run.stdout.waitFor(/"type":"started"/);
    return { port };
  }

  it('is 0 for a healthy daemon, in a line or as JSON', async () => {
    const { port } = await daemon(['--no-redis', '--simulate']);
    const { code, stdout, stderr } = await finished(['health', '--http-port', port]);
    expect(stdout).toEqual([expect.stringMatching(/^healthy {2}up \d+s, \d+ devices; .*netlink up.*simulated up/)]);
    expect([code, stderr]).toEqual([0, []]);
    const { stdout: json } = await finished(['health', '--json'], { env: { USB_DAEMON_HTTP_PORT: port } });
    expect(JSON.parse(json[0])).toMatchObject({ status: 'healthy', started: true });
  });

  it('is 0 for a degraded daemon, whose address it takes from the configuration file', async () => {
    const port = await freePort();
    const file = join(stateFolder(), 'config.json');
    await writeFile(file, JSON.stringify({ monitoring: { host: '0.0.0.0', healthcheck_port: port } }));
    const run = command(['--config', file, '--json', '--redis-port', String(await freePort())]);
    await run.stdout.waitFor(/"type":"redis"/);
    const { code, stdout } = await finished(['health', '--config', file]);
    expect(stdout).toEqual([expect.stringMatching(/^degraded {2}.*redis away, \d+ events wait/)]);
    expect(code).toBe(0);
  });

  it('is 1 for a daemon that hears nothing', async () => {
    const { port } = await daemon(['--no-redis'], { sources: [] });
    const { code, stdout, stderr } = await finished(['health', '--http-port', port]);
    expect(stdout).toEqual([expect.stringMatching(/^unhealthy {2}/)]);
    expect([code, stderr]).toEqual([1, []]);
  });

  it('is 1 where nobody listens, somebody else answers, or nobody says a word', async () => {
    const other = await listening(createHttpServer((_request, response) => response.end('hello')));
    const silent = await listening(createServer());
    for (const [port, expected] of [
      [String(await freePort()), 'nobody listens there'],
      [other, 'what answers there is something else'],
      [silent, 'it took too long (--timeout)'],
    ]) {
      const { code, stdout, stderr } = await finished(['health', '--http-port', port, '--timeout', '300ms']);
      expect(stderr).toEqual([expect.stringMatching(/^error: no usb-daemon answers at 127\.0\.0\.1:\d+: .*\[ERR_USB_NOT_RUNNING\]$/)]);
      expect(stderr[0]).toContain(expected);
      expect([code, stdout]).toEqual([1, []]);
    }
  });
});

describe('doctor', () => {
  async function findings(args, options) {
    const { code, stdout, stderr } = await finished(['doctor', '--json', ...args], options);
    expect(stderr).toEqual([]);
    const found = stdout.map((line) => JSON.parse(line));
    const of = (subject) => found.filter((finding) => finding.subject === subject);
    expect(code).toBe(found.some(({ grade }) => grade === 'fail') ? 1 : 0);
    return { code, found, of };
  }

  const at = (server) => ['--redis-host', '127.0.0.1', '--redis-port', String(server.port)];

  it('finds a server, its version, its rights, its clock, and nobody else', async () => {
    const server = await redis();
    const { code, of } = await findings(at(server));
    expect(of('redis')).toEqual([{ subject: 'redis', grade: 'ok', found: expect.stringMatching(/^127\.0\.0\.1:\d+ is Redis 7\.0\.\d+ and answers in [\d.]+ ms$/) }]);
    expect(of('redis rights')).toEqual([{ subject: 'redis rights', grade: 'ok', found: 'user "default" may do all that is needed' }]);
    expect(of('stream')[0].found).toBe('aw:hotplug will be made with the first event');
    expect(of('redis clock')[0]).toMatchObject({ grade: 'ok', found: expect.stringMatching(/^\d+ ms from this machine's/) });
    expect(of('producers')[0].found).toBe('no daemon of this machine publishes to the stream now');
    expect(code).toBe(0);
    expect(await server.client.keys('*'), 'it only asks').toEqual([]);
  });

  it('says which rights are missing, what follows, and how to give them', async () => {
    const server = await redis();
    await server.client.acl('SETUSER', 'writer', 'on', '>hush', '~aw:hotplug', '+@all', '-xadd');
    const { code, found, of } = await findings([...at(server), '--redis-username', 'writer'], { env: { REDIS_PASSWORD: 'hush' } });
    const [publishing, watermark] = of('redis rights');
    expect(publishing).toMatchObject({ grade: 'fail', found: 'user "writer" may not XADD: no event can be published' });
    expect(publishing.advice).toBe('ACL SETUSER writer +xadd ~aw:hotplug ~{aw:hotplug}:producer:*');
    expect(watermark).toMatchObject({ grade: 'warn', found: expect.stringContaining('ERR_USB_AT_LEAST_ONCE') });
    expect(code).toBe(1);
    expect(JSON.stringify(found)).not.toContain('hush');
    // The advice is sufficient.
    for (const { advice } of of('redis rights')) await server.client.call(...advice.split(' '));
    expect((await findings([...at(server), '--redis-username', 'writer'], { env: { REDIS_PASSWORD: 'hush' } })).code).toBe(0);
  });

  it('does not claim to know the rights of a user who may not ask', async () => {
    const server = await redis();
    await server.client.acl('SETUSER', 'writer', 'on', '>hush', '~*', '+@all', '-acl', '-info', '-time');
    const { code, of } = await findings([...at(server), '--redis-username', 'writer'], { env: { REDIS_PASSWORD: 'hush' } });
    expect(of('redis')[0].found).toContain('this user may not see its version');
    const found = expect.stringMatching(/^not tested: .*(NOPERM|permission)/i);
    expect(of('redis rights')).toEqual([{ subject: 'redis rights', grade: 'warn', found, advice: expect.stringContaining('ACL DRYRUN') }]);
    expect(of('redis clock')).toEqual([{ subject: 'redis clock', grade: 'ok', found }]);
    expect(code).toBe(0);
  });

  it('does not rehearse on a server that cannot', async () => {
    const server = await redis({ version: '6.2' });
    const { of } = await findings(at(server));
    expect(of('redis rights')[0].found).toBe('user "default"; not tested: only Redis 7 and later can rehearse commands');
  });

  it('fails for a key that is no stream', async () => {
    const server = await redis();
    await server.client.set('aw:hotplug', 'x');
    expect((await findings(at(server))).of('stream')[0]).toMatchObject({ grade: 'fail', found: 'aw:hotplug is a string: no entry can be added' });
  });

  it('fails for a server that refuses, and for one that never answers, without hanging', async () => {
    const away = { port: await freePort() };
    const silent = { port: await listening(createServer()) };
    for (const [server, expected] of [[away, /cannot be used: connection refused/], [silent, /cannot be used: no answer/]]) {
      const { code, of } = await findings(at(server));
      expect(of('redis')).toEqual([expect.objectContaining({ grade: 'fail', found: expect.stringMatching(expected), advice: expect.stringContaining('REDIS_HOST') })]);
      expect(code).toBe(1);
    }
  });

  it('names the daemon that has the outbox, and the one that publishes', async () => {
    const server = await redis();
    const state = stateFolder();
    const env = { XDG_STATE_HOME: state };
    const run = command(['--simulate', '--no-http', ...at(server)], { env });
    await server.waitForEntries(1);
    const before = (await findings(at(server), { env })).of('outbox')[0];
    expect(before).toMatchObject({ grade: 'ok', found: `${join(state, 'usb-daemon', 'outbox.db')}: a daemon has it, process ${run.pid}` });
    expect((await findings(at(server), { env })).of('producers')[0].found).toContain(`one daemon of this machine publishes to the stream: process ${run.pid} on `);
    const second = command(['--simulate', '--no-http', '--outbox', ':memory:', ...at(server)], { env });
    await second.stderr.waitFor(/^redis {5}up /);
    const [both] = (await findings(at(server), { env })).of('producers');
    expect(both).toMatchObject({ grade: 'warn', found: expect.stringMatching(/^2 daemons/) });
    await Promise.all([run.end(), second.end()]);
    expect((await findings(at(server), { env })).of('outbox')[0].found).toMatch(/: no daemon has it$/);
  });

  it('fails for an outbox that cannot be written or is none, and warns of one in memory', async () => {
    const file = join(stateFolder(), 'outbox.db');
    await writeFile(file, 'not a database at all, but long enough to be taken for the header of one, which has a hundred bytes');
    for (const [path, grade, expected] of [['/dev/null/outbox.db', 'fail', /: \/dev\/null is no folder$/], [file, 'fail', /it is no outbox/], [':memory:', 'warn', /^in memory/]]) {
      expect((await findings(['--no-redis', '--outbox', path])).of('outbox')[0]).toMatchObject({ grade, found: expect.stringMatching(expected) });
    }
  });

  it('tells people in lines, and sums them up', async () => {
    const { code, stdout, stderr } = await finished(['doctor', '--no-redis']);
    expect(stdout).toContain('ok    redis           nothing is published, by configuration');
    for (const line of stdout) expect(line).toMatch(/^(ok|warn|fail) {2,4}\S|^ {22}→ \S/);
    expect(stderr).toEqual([expect.stringMatching(/^\d+ ok, \d+ warn, 0 fail$/)]);
    expect(code).toBe(0);
  });
});

describe('completions', () => {
  it.each(['bash', 'zsh', 'fish'])('for %s know every command', async (shell) => {
    const { code, stdout, stderr } = await finished(['completions', shell]);
    expect([code, stderr]).toEqual([0, []]);
    for (const name of COMMANDS) expect(stdout.join('\n')).toContain(name);
  });

  it('are a script that bash takes, and that completes', async () => {
    const { stdout } = await finished(['completions', 'bash']);
    const asked = `${stdout.join('\n')}\nCOMP_WORDS=(usb-daemon wait --ti); COMP_CWORD=2; _usb__daemon usb-daemon --ti wait; echo "\${COMPREPLY[@]}"`;
    expect(execFileSync('bash', ['-c', asked], { encoding: 'utf8' }).trim()).toBe('--timeout');
  });

  it('are refused for another shell, which is named', async () => {
    const { code, stderr } = await finished(['completions', 'tcsh']);
    expect([code, stderr]).toEqual([2, [expect.stringContaining("invalid value 'tcsh'")]]);
  });
});
