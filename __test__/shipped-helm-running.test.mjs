// What the Helm chart's containers run, run: Redis by the chart's script and settings, the daemon with its configuration, variables and
// secrets. Only folders, ports and addresses are others than in a pod.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Redis from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { command } from './command.mjs';
import { packageRoot } from './daemon.mjs';
import { configOf, containerOf, podOf, rendered } from './helm/chart.mjs';
import { fieldsOf, freePort } from './redis-server.mjs';
import { until } from './until.mjs';

const PASSWORD = 'a "b" \\ $c #d';

function folders(...names) {
  const root = mkdtempSync(join(tmpdir(), 'usb-daemon-pod-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const name of names) mkdirSync(join(root, name));
  return root;
}

/** A pod's worth of Redis: what the chart mounts, and programs of that version. */
async function redisPod({ version = '7.0', auth = true } = {}) {
  const root = folders('data', 'etc', 'run', 'bin');
  const port = await freePort();
  const { data } = rendered({ redis: { auth: { enabled: auth } } }).get('ConfigMap/it-redis');
  writeFileSync(join(root, 'etc/redis.conf'), data['redis.conf'].replace('port 6379', `port ${port}`).replace('dir /data', `dir ${root}/data`).replace('bind * -::*', 'bind 127.0.0.1'));
  writeFileSync(join(root, 'etc/redis-start.sh'), data['redis-start.sh']);
  writeFileSync(join(root, 'password'), `${PASSWORD}\n`);
  if (version !== '7.0') {
    // One program by several names.
    for (const name of ['redis-server', 'redis-check-aof']) symlinkSync(join(packageRoot, '.cache/redis', version, 'redis-server'), join(root, 'bin', name));
  }
  writeFileSync(join(root, 'bin/redis-cli'), `#!/bin/sh\nexec /usr/bin/redis-cli -p ${port} "$@"\n`, { mode: 0o755 });
  const env = { PATH: `${root}/bin:${process.env.PATH}`, DATA: `${root}/data`, SETTINGS: `${root}/etc/redis.conf`, OWN: `${root}/run`, ...(auth && { REDIS_PASSWORD_FILE: `${root}/password` }) };
  const pod = { root, port, env, said: '' };
  pod.start = async () => {
    pod.child = spawn('sh', [join(root, 'etc/redis-start.sh')], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [pod.child.stdout, pod.child.stderr]) stream.setEncoding('utf8').on('data', (text) => (pod.said += text));
    await until(() => /Ready to accept connections/.test(pod.said), 'Redis to accept connections').catch((error) => Promise.reject(new Error(`${error.message}: ${pod.said}`)));
  };
  pod.kill = async () => {
    const gone = once(pod.child, 'exit');
    pod.child.kill('SIGKILL');
    await gone;
    pod.said = '';
  };
  onTestFinished(() => pod.child?.kill('SIGKILL'));
  await pod.start();
  return pod;
}

function client(port, options = {}) {
  const redis = new Redis({ port, host: '127.0.0.1', retryStrategy: null, ...options });
  redis.on('error', () => {});
  onTestFinished(() => redis.disconnect());
  return redis;
}

describe.each(['7.0', '8.2'])('Redis %s', (version) => {
  it('asks for the password, which neither its arguments nor its files show', async () => {
    const { port, child, root } = await redisPod({ version });
    await expect(client(port).ping()).rejects.toThrow('NOAUTH');
    await expect(client(port, { password: 'another' }).ping()).rejects.toThrow();
    expect(await client(port, { password: PASSWORD }).ping()).toBe('PONG');
    const written = join(root, 'run/redis.conf');
    expect(statSync(written).mode & 0o777).toBe(0o600);
    for (const shown of [`/proc/${child.pid}/cmdline`, `/proc/${child.pid}/environ`, written]) expect(readFileSync(shown, 'utf8')).not.toContain('"b"');
  });

  it('has what was written before it was killed, without the half of a transaction at the end', async () => {
    const pod = await redisPod({ version });
    await client(pod.port, { password: PASSWORD }).xadd('aw:hotplug', '*', 'seq', '1');
    await pod.kill();
    const folder = join(pod.root, 'data/appendonlydir');
    const [file] = readdirSync(folder).filter((name) => name.endsWith('.incr.aof'));
    appendFileSync(join(folder, file), '*1\r\n$5\r\nMULTI\r\n*5\r\n$4\r\nXADD\r\n$10\r\naw:hotplug\r\n$1\r\n*\r\n$3\r\nseq\r\n$1\r\n2\r\n');
    const torn = statSync(join(folder, file)).size;
    await pod.start();
    expect(statSync(join(folder, file)).size).toBeLessThan(torn);
    expect(pod.said).toContain('Successfully truncated AOF');
    expect(await client(pod.port, { password: PASSWORD }).xlen('aw:hotplug')).toBe(1);
  });
});

it('Redis is ready by the chart’s own probe, with a password and without', async () => {
  for (const auth of [true, false]) {
    const { env } = await redisPod({ auth });
    const probe = containerOf(rendered().get('StatefulSet/it-redis')).readinessProbe.exec.command;
    const { status, stdout } = spawnSync(probe[0], probe.slice(1), { env, encoding: 'utf8' });
    expect([auth, status, stdout]).toEqual([auth, 0, '']);
    // Locked out, or gone: not ready.
    writeFileSync(join(env.OWN, 'another'), 'another');
    if (auth) expect(spawnSync(probe[0], probe.slice(1), { env: { ...env, REDIS_PASSWORD_FILE: join(env.OWN, 'another') } }).status).toBe(1);
  }
});

it('Redis does not start with a password that is empty', async () => {
  const root = folders('data', 'run');
  writeFileSync(join(root, 'empty'), '\n');
  const env = { PATH: process.env.PATH, DATA: `${root}/data`, SETTINGS: '/dev/null', OWN: `${root}/run`, REDIS_PASSWORD_FILE: `${root}/empty` };
  const { status, stderr } = spawnSync('sh', [join(packageRoot, 'deploy/helm/files/redis-start.sh')], { env, encoding: 'utf8' });
  expect([status, stderr]).toEqual([1, expect.stringContaining('empty holds no password')]);
});

/** Asks as somebody who calls the server by this name. */
function asked(port, path, { host, token } = {}) {
  return new Promise((resolve, reject) => {
    const headers = { ...(host && { host }), ...(token && { authorization: `Bearer ${token}` }) };
    request({ host: '127.0.0.1', port, path, headers }, (response) => resolve(response.resume().statusCode)).on('error', reject).end();
  });
}

describe('the daemon', () => {
  const VALUES = { usbDaemon: { config: { redis: { stream: 'usb' } } } };

  let mounts = 0;

  /** Puts the configuration there as the kubelet does: names lead through a link that is changed in one go, and what it led to goes. */
  function mounted(folder, manifests) {
    const [data, old] = [join(folder, '..data'), readdirSync(folder).filter((name) => name.startsWith('..2'))];
    const fresh = `..2026_${(mounts += 1)}`;
    mkdirSync(join(folder, fresh));
    for (const [name, content] of Object.entries(manifests.get('ConfigMap/it').data)) writeFileSync(join(folder, fresh, name), content);
    symlinkSync(fresh, `${data}_tmp`);
    renameSync(`${data}_tmp`, data);
    if (old.length === 0) symlinkSync('..data/usb-daemon.json', join(folder, 'usb-daemon.json'));
    for (const name of old) rmSync(join(folder, name), { recursive: true });
  }

  /** A pod's worth of it, with variables in which folders are those of the test; `more` says where Redis is. */
  async function daemonPod(more = {}) {
    const root = folders('etc', 'secrets', 'state');
    const manifests = rendered(VALUES);
    const { args, env } = containerOf(manifests.get('DaemonSet/it'));
    mounted(join(root, 'etc'), manifests);
    writeFileSync(join(root, 'secrets/redis-password'), PASSWORD);
    const token = Buffer.from(manifests.get('Secret/it').data.token, 'base64').toString();
    writeFileSync(join(root, 'secrets/token'), token);
    const placed = (path) => path.replace('/etc/autoweave', `${root}/etc`).replace('/run/secrets/autoweave', `${root}/secrets`);
    const variables = Object.fromEntries(env.map(({ name, value, valueFrom }) => [name, valueFrom ? 'edge-1' : placed(value)]));
    const port = await freePort();
    return { root, args, token, port, env: { ...variables, USB_DAEMON_OUTBOX: `${root}/state/outbox.db`, USB_DAEMON_HTTP_PORT: String(port), ...more } };
  }

  it('takes the chart’s configuration as it is', async () => {
    const { env } = await daemonPod();
    const run = command(['config', '--json'], { env });
    expect([(await run.exit).code, run.stderr.lines]).toEqual([0, []]);
    expect(run.stdout.lines.join('\n')).toContain('usb-usb-daemon-redis');
    expect(run.stdout.lines.join('\n')).not.toContain('"b"');
  });

  it('publishes under the node’s name to the chart’s Redis, and answers probes without a token and all else with it', async () => {
    const redis = await redisPod();
    const { args, env, port, token } = await daemonPod({ REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port), USB_DAEMON_SIMULATE: '1' });
    const run = command(args, { env });
    await until(async () => (await asked(port, '/ready').catch(() => 0)) === 200, 'the daemon to be ready');
    // The kubelet calls a pod by its address.
    const { livenessProbe, readinessProbe, startupProbe } = containerOf(rendered(VALUES).get('DaemonSet/it'));
    for (const { httpGet } of [livenessProbe, readinessProbe, startupProbe]) expect(await asked(port, httpGet.path, { host: '10.1.2.3:8080' })).toBe(200);
    expect(await asked(port, '/metrics', { host: '10.1.2.3:8080' })).toBe(401);
    expect(await asked(port, '/metrics', { host: '10.1.2.3:8080', token })).toBe(200);
    expect(await asked(port, '/health', { host: 'usb-usb-daemon.autoweave.svc:8080', token })).toBe(200);
    expect(await asked(port, '/health', { host: 'elsewhere.example', token })).toBe(403);
    const reader = client(redis.port, { password: PASSWORD });
    await until(async () => (await reader.xlen('usb')) > 0, 'an event in the stream');
    const [entry] = await reader.xrange('usb', '-', '+', 'COUNT', 1);
    expect(fieldsOf(entry)).toMatchObject({ host: 'edge-1', action: 'attach' });
    expect((await run.end()).code).toBe(0);
  });

  it('takes over filters that are changed, without a restart, where the kubelet has brought them', async () => {
    const { root, args, env } = await daemonPod({ USB_DAEMON_SIMULATE: '1', USB_DAEMON_NO_REDIS: '1' });
    const run = command(args, { env });
    await run.stdout.waitFor(/"type":"attach"/);
    for (const [count, filters] of [[1, { vendor_whitelist: ['0403'] }], [2, { vendor_whitelist: ['046d'] }]]) {
      mounted(join(root, 'etc'), rendered({ usbDaemon: { config: { ...VALUES.usbDaemon.config, filters } } }));
      await run.stdout.waitFor(/"state":"reloaded"/, { count });
    }
    expect(run.stdout.lines.filter((line) => /"state":"(restart|refused)"/.test(line))).toEqual([]);
    expect((await run.end()).code).toBe(0);
  });

  it('ends within the time that the pod has, however much that is', () => {
    const pod = podOf(rendered(VALUES).get('DaemonSet/it'));
    expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThan(configOf(rendered(VALUES)).shutdown_ms);
  });
});

it('the start script is a program', () => {
  expect(execFileSync('git', ['ls-files', '-s', 'deploy/helm/files/redis-start.sh'], { cwd: packageRoot, encoding: 'utf8' })).toMatch(/^100755 /);
});
