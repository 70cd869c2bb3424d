// The Dockerfiles and the compose file: well formed, and without a right that is not needed.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { compose, instructions, lastStage, tool } from './containers/manifests.mjs';
import { packageRoot } from './daemon.mjs';
import { freePort } from './free-port.mjs';
import { until } from './until.mjs';

const DOCKERFILES = ['Dockerfile', 'Dockerfile.alpine'];

/** What `include_str!` and `include_bytes!` name, as paths in the checkout. */
const included = ['crates', 'src'].flatMap((root) => {
  const sources = readdirSync(join(packageRoot, root), { recursive: true }).filter((path) => path.endsWith('.rs')).map((path) => join(root, path));
  return sources.flatMap((path) => [...readFileSync(join(packageRoot, path), 'utf8').matchAll(/include_(?:str|bytes)!\(\s*"(.+?)"/g)].map(([, file]) => join(dirname(path), file)));
});

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

  it('brings the licenses of what is linked into the addon, and names them', () => {
    expect(instructions(name).filter(([word, rest]) => word === 'RUN' && rest.includes('node scripts/notices.mjs >/app/THIRD-PARTY-LICENSES.txt'))).toHaveLength(1);
    expect(of('LABEL')[0]).toMatch(/image\.licenses="MIT AND LGPL-2\.1-or-later AND /);
  });

  it('sends the builder what the build reads, and no addon of this machine', () => {
    const ignore = readFileSync(join(packageRoot, `deploy/container/${name}.dockerignore`), 'utf8').split('\n');
    expect(ignore).toContain('*');
    expect(ignore).toContain('js/*.node');
    expect(ignore.indexOf('js/*.node')).toBeGreaterThan(ignore.indexOf('!js'));
    const copied = instructions(name).find(([word, rest]) => word === 'RUN' && rest.includes('cp -r'))[1].match(/cp -r (.*?) \/app/)[1].split(' ');
    expect(copied.filter((each) => !ignore.includes(`!${each}`))).toEqual([]);
  });

  it('sends it each file that Rust takes into the addon', () => {
    const admitted = readFileSync(join(packageRoot, `deploy/container/${name}.dockerignore`), 'utf8').split('\n').filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    expect(included).toContain('deploy/udev/autoweave-udev-notify');
    expect(included.filter((path) => !admitted.some((each) => path === each || path.startsWith(`${each}/`)))).toEqual([]);
  });
});

it('both images are the same but for the user’s making', () => {
  const without = (name) => lastStage(name).filter(([word]) => word !== 'RUN');
  expect(without('Dockerfile.alpine')).toEqual(without('Dockerfile'));
});

describe('compose.yaml', () => {
  const { services, networks, secrets } = compose();

  it('has no secret of its own, and shows none in an environment or a command', () => {
    expect(Object.values(secrets).map(({ file }) => file.slice(packageRoot.length)).sort()).toEqual(['deploy/secrets/http-token', 'deploy/secrets/redis-password']);
    const tracked = spawnSync('git', ['check-ignore', 'deploy/secrets/http-token'], { cwd: packageRoot, encoding: 'utf8' });
    expect(tracked.stdout.trim(), 'git leaves it alone').toBe('deploy/secrets/http-token');
    const variables = Object.values(services).flatMap(({ environment = {} }) => Object.keys(environment));
    expect(variables.filter((name) => /PASSWORD|TOKEN|AUTH|SECRET/.test(name) && !name.endsWith('_FILE'))).toEqual([]);
  });

  it.each(Object.keys(services))('gives %s no right that it does not need', (name) => {
    const service = services[name];
    expect(service).toMatchObject({ cap_drop: ['ALL'], read_only: true, security_opt: ['no-new-privileges:true'] });
    expect(service.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(Object.keys(service).filter((key) => ['privileged', 'cap_add', 'devices', 'device_cgroup_rules', 'network_mode', 'pid', 'ipc', 'uts', 'userns_mode', 'group_add'].includes(key))).toEqual([]);
    expect(service.volumes.map(({ type }) => type)).toEqual(['volume']);
    expect([service.mem_limit, service.cpus, service.pids_limit].every((limit) => Number(limit) > 0)).toBe(true);
  });

  it('publishes the daemon to this machine alone, with a token, and Redis to nobody', () => {
    const { 'usb-daemon': daemon, redis } = services;
    expect(daemon.ports.map(({ host_ip }) => host_ip)).toEqual(['127.0.0.1']);
    expect(daemon.environment).toMatchObject({ REDIS_PASSWORD_FILE: '/run/secrets/redis-password', USB_DAEMON_HTTP_TOKEN_FILE: '/run/secrets/http-token' });
    expect(daemon.secrets.map(({ source }) => source)).toEqual(['redis-password', 'http-token']);
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
  const env = { PATH: process.env.PATH };
  let folder;
  let port;

  /** As in the container, but for the port and the place of the secret; docker-compose shows a dollar as two. */
  function here(script) {
    const own = script.replaceAll('$$', '$').replaceAll('/run/secrets/redis-password', join(folder, 'secret'));
    return own.replace('appendonly yes', `appendonly yes\nport ${port}\nbind 127.0.0.1`).replace('redis-cli ping', `redis-cli -p ${port} ping`);
  }

  async function start() {
    const [shell, flag, script] = command;
    const server = spawn(shell, [flag, here(script)], { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });
    const exited = once(server, 'exit');
    const stop = async (signal = 'SIGTERM') => (server.kill(signal), await exited);
    onTestFinished(() => stop('SIGKILL'));
    await until(() => spawnSync('sh', ['-c', here(healthcheck.test[1])], { env }).status === 0, 'Redis to be healthy');
    return { pid: server.pid, stop };
  }

  function ask(args, { password = PASSWORD, input } = {}) {
    return spawnSync('redis-cli', ['-p', String(port), ...args], { encoding: 'utf8', env: { ...env, REDISCLI_AUTH: password }, input }).stdout.trim();
  }

  function transaction(...commands) {
    expect(ask([], { input: ['MULTI', ...commands, 'EXEC', ''].join('\n') })).toMatch(/OK$/);
  }

  it('takes its password without showing it, keeps what it has, and cuts off what a crash has torn', async () => {
    folder = mkdtempSync(join(tmpdir(), 'usb-daemon-compose-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, 'secret'), `${PASSWORD}\n`);
    port = await freePort();
    const first = await start();
    expect(readFileSync(`/proc/${first.pid}/comm`, 'utf8').trim(), 'process 1 is the server').toBe('redis-server');
    expect(readFileSync(`/proc/${first.pid}/cmdline`, 'utf8')).not.toContain('two words');
    expect(ask(['PING'], { password: '' })).toContain('NOAUTH');
    transaction('SET a kept', 'SET b kept');
    transaction('SET a torn', 'SET b torn');
    await first.stop('SIGKILL');

    const log = join(folder, 'appendonlydir', readdirSync(join(folder, 'appendonlydir')).find((name) => name.endsWith('.incr.aof')));
    truncateSync(log, statSync(log).size - 3);
    const second = await start();
    transaction('SET c kept');
    await second.stop('SIGKILL');
    const third = await start();
    expect(['a', 'b', 'c'].map((key) => ask(['GET', key]))).toEqual(['kept', 'kept', 'kept']);
    const [code] = await third.stop();
    expect(code, 'SIGTERM ends it in good order').toBe(0);
  });
});
