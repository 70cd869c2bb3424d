// The Dockerfiles and the compose file: well formed, and without a right that is not needed.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SECRETS, compose, instructions, lastStage, tool } from './containers/manifests.mjs';
import { packageRoot } from './daemon.mjs';
import { freePort } from './free-port.mjs';
import { until } from './until.mjs';

const DOCKERFILES = ['Dockerfile', 'Dockerfile.alpine'];

describe.each(DOCKERFILES)('%s', (name) => {
  const stage = lastStage(name);
  const of = (word) => stage.filter(([each]) => each === word).map(([, rest]) => rest);

  it('is as hadolint wants it', () => {
    expect(tool('hadolint', [`deploy/container/${name}`])).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('takes each base image from an argument, so that a digest can be given', () => {
    const bases = instructions(name).filter(([word]) => word === 'FROM').map(([, rest]) => rest.split(' ')[0]);
    expect(bases).toEqual(['${NODE_IMAGE}', '${RUST_IMAGE}', '${NODE_IMAGE}']);
  });

  it('runs as a user by number who is not root, and whose the program is not', () => {
    expect(of('USER')).toEqual(['65532:65532']);
    expect(stage.findIndex(([word]) => word === 'USER')).toBeGreaterThan(stage.findLastIndex(([word]) => ['RUN', 'COPY'].includes(word)));
    expect(of('COPY')).toEqual(['--from=build /app /app']);
  });

  it('starts the daemon itself as process 1, and asks it without a shell or curl how it is', () => {
    expect(JSON.parse(of('ENTRYPOINT'))).toEqual(['node', '/app/bin/usb-daemon.js']);
    expect(JSON.parse(of('CMD'))).toEqual(['run']);
    expect(JSON.parse(of('HEALTHCHECK')[0].split(' CMD ')[1])).toEqual(['node', '/app/bin/usb-daemon.js', 'health']);
  });

  it('sends the builder what the build reads, and no addon of this machine', () => {
    const ignore = readFileSync(join(packageRoot, `deploy/container/${name}.dockerignore`), 'utf8').split('\n');
    expect(ignore).toContain('*');
    expect(ignore).toContain('js/*.node');
    expect(ignore.indexOf('js/*.node')).toBeGreaterThan(ignore.indexOf('!js'));
    const copied = instructions(name).find(([word, rest]) => word === 'RUN' && rest.includes('cp -r'))[1].match(/cp -r (.*?) \/app/)[1].split(' ');
    expect(copied.filter((each) => !ignore.includes(`!${each}`))).toEqual([]);
  });
});

it('both images are the same but for the user’s making', () => {
  const without = (name) => lastStage(name).filter(([word]) => word !== 'RUN');
  expect(without('Dockerfile.alpine')).toEqual(without('Dockerfile'));
});

describe('compose.yaml', () => {
  it.each(Object.keys(SECRETS))('has no %s of its own, and runs nothing without one', (missing) => {
    const { [missing]: _, ...others } = SECRETS;
    const { status, stderr } = compose(others);
    expect(status).not.toBe(0);
    expect(stderr).toContain(`required variable ${missing} is missing`);
  });

  const { services, networks } = compose();

  it.each(Object.keys(services))('gives %s no right that it does not need', (name) => {
    const service = services[name];
    expect(service).toMatchObject({ cap_drop: ['ALL'], read_only: true, security_opt: ['no-new-privileges:true'] });
    expect(service.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(Object.keys(service).filter((key) => ['privileged', 'cap_add', 'devices', 'device_cgroup_rules', 'network_mode', 'pid', 'ipc', 'userns_mode', 'group_add'].includes(key))).toEqual([]);
    expect(service.volumes.map(({ type }) => type)).toEqual(['volume']);
    expect([service.mem_limit, service.cpus, service.pids_limit].every((limit) => Number(limit) > 0)).toBe(true);
  });

  it('publishes the daemon to this machine alone, with a token, and Redis to nobody', () => {
    const { 'usb-daemon': daemon, redis } = services;
    expect(daemon.ports.map(({ host_ip }) => host_ip)).toEqual(['127.0.0.1']);
    expect(daemon.environment).toMatchObject({ REDIS_PASSWORD: SECRETS.REDIS_PASSWORD, USB_DAEMON_HTTP_TOKEN: SECRETS.USB_DAEMON_HTTP_TOKEN });
    expect(redis.ports).toBeUndefined();
    expect(Object.keys(redis.networks)).toEqual(['redis']);
    expect(networks.redis.internal).toBe(true);
  });

  it('keeps events and entries in volumes', () => {
    const targets = Object.values(services).flatMap(({ volumes }) => volumes.map(({ target }) => target));
    expect(targets.sort()).toEqual(['/data', '/var/lib/autoweave-usb-daemon']);
  });
});

describe('compose.yaml’s Redis', () => {
  const { command, healthcheck } = compose().services.redis;
  const PASSWORD = 'two words and $HOME';
  // docker-compose shows a dollar as two.
  const said = (text) => text.replaceAll('$$', '$');

  /** Runs the command as the container does, but for the port. */
  async function start(folder, port) {
    const [shell, flag, script] = command;
    const own = said(script).replace('appendonly yes', `appendonly yes\nport ${port}\nbind 127.0.0.1`);
    const server = spawn(shell, [flag, own], { cwd: folder, env: { PATH: process.env.PATH, REDISCLI_AUTH: PASSWORD }, stdio: ['ignore', 'ignore', 'inherit'] });
    const exited = once(server, 'exit');
    const stop = async (signal = 'SIGTERM') => (server.kill(signal), await exited);
    onTestFinished(() => stop('SIGKILL'));
    await until(() => healthy(port), 'Redis to be healthy');
    return { pid: server.pid, stop };
  }

  function healthy(port) {
    const check = said(healthcheck.test[1]).replace('redis-cli', `redis-cli -p ${port}`);
    return spawnSync('sh', ['-c', check], { env: { PATH: process.env.PATH, REDISCLI_AUTH: PASSWORD } }).status === 0;
  }

  function ask(port, args, { password = PASSWORD, input } = {}) {
    const env = { PATH: process.env.PATH, REDISCLI_AUTH: password };
    return spawnSync('redis-cli', ['-p', String(port), ...args], { encoding: 'utf8', env, input }).stdout.trim();
  }

  function transaction(port, ...commands) {
    expect(ask(port, [], { input: ['MULTI', ...commands, 'EXEC', ''].join('\n') })).toMatch(/OK$/);
  }

  it('takes its password without showing it, keeps what it has, and cuts off what a crash has torn', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'usb-daemon-compose-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const port = await freePort();
    const first = await start(folder, port);
    expect(readFileSync(`/proc/${first.pid}/comm`, 'utf8').trim(), 'process 1 is the server').toBe('redis-server');
    expect(readFileSync(`/proc/${first.pid}/cmdline`, 'utf8')).not.toContain('two words');
    expect(ask(port, ['PING'], { password: '' })).toContain('NOAUTH');
    transaction(port, 'SET a kept', 'SET b kept');
    transaction(port, 'SET a torn', 'SET b torn');
    await first.stop('SIGKILL');

    const log = join(folder, 'appendonlydir', readdirSync(join(folder, 'appendonlydir')).find((name) => name.endsWith('.incr.aof')));
    truncateSync(log, statSync(log).size - 3);
    const second = await start(folder, port);
    transaction(port, 'SET c kept');
    await second.stop('SIGKILL');
    const third = await start(folder, port);
    expect(['a', 'b', 'c'].map((key) => ask(port, ['GET', key]))).toEqual(['kept', 'kept', 'kept']);
    const [code] = await third.stop();
    expect(code, 'SIGTERM ends it in good order').toBe(0);
  });
});
