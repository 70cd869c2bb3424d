// The ways to a server: TLS with an authority and a client certificate of our own, a unix socket, an ACL user, a database, a URL.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { stateFolder } from './command.mjs';
import { cycle, openDaemon, USBEventConsumer, USBEventPublisher } from './daemon.mjs';
import { freePort, seqsOf, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const PASSWORD = 'hunter2-öäü @:/';

async function startedRedis(options) {
  const server = await startRedis(options);
  onTestFinished(() => server.close());
  return server;
}

/** A daemon publishes, a consumer reads, a publisher adds: all over this connection. */
async function works(redis, server, read = () => server.entries()) {
  const daemon = openDaemon({ redis: { timeout_ms: 1000, ...redis } });
  await daemon.start();
  cycle(daemon, 10);
  await daemon.heard.waitFor('event:published', { count: 10 });
  expect(seqsOf(await read())).toEqual(upTo(10));
  const seen = [];
  const consumer = new USBEventConsumer(redis, 'group', 'one', { start_at: '0' });
  onTestFinished(() => consumer.stop());
  consumer.startConsuming(({ seq }) => seen.push(seq));
  await until(() => seen.length === 10, 'ten events');
  const publisher = new USBEventPublisher(redis);
  onTestFinished(() => publisher.close());
  expect(await publisher.getRecentEvents(3)).toHaveLength(3);
  const said = JSON.stringify([daemon.heard.all, daemon.getHealth()]);
  expect(said).not.toContain(PASSWORD);
  expect(said).not.toContain('hunter2');
  return daemon;
}

async function refusal(redis) {
  const daemon = openDaemon({ redis: { timeout_ms: 1000, ...redis } });
  await daemon.start();
  const [state] = await daemon.heard.waitFor('redis:state');
  expect(state.connected).toBe(false);
  return state.reason;
}

describe('over TLS', () => {
  let folder;
  const file = (name) => join(folder, name);
  beforeAll(() => {
    folder = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
    const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=our own authority');
    for (const [name, extension] of [['server', 'subjectAltName=DNS:localhost,IP:127.0.0.1'], ['client', 'extendedKeyUsage=clientAuth']]) {
      openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`, '-addext', extension);
      openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', `${name}.pem`, '-days', '2', '-copy_extensions', 'copy');
    }
    return () => execFileSync('rm', ['-r', folder]);
  });

  async function secured() {
    const port = await freePort();
    const args = ['--tls-port', String(port), '--tls-cert-file', file('server.pem'), '--tls-key-file', file('server.key'), '--tls-ca-cert-file', file('ca.pem')];
    return { port, server: await startedRedis({ args }) };
  }

  it('works with our own authority and a client certificate, as files and as texts', async () => {
    const { port, server } = await secured();
    const files = { ca: file('ca.pem'), cert: file('client.pem'), key: file('client.key') };
    await works({ host: 'localhost', port, tls: files }, server);
    await server.client.flushall();
    const texts = Object.fromEntries(Object.entries(files).map(([name, path]) => [name, readFileSync(path, 'utf8')]));
    await works({ url: `rediss://127.0.0.1:${port}`, tls: texts }, server);
  });

  it('is refused without a certificate that is trusted, on either side', async () => {
    const { port } = await secured();
    expect(await refusal({ host: 'localhost', port, tls: true })).toMatch(/certificate|UnknownIssuer/i);
    expect(await refusal({ host: 'localhost', port, tls: { ca: file('ca.pem') } })).toMatch(/certificate|closed/i);
    expect(await refusal({ host: 'localhost', port })).not.toBe('');
  });
});

it('over a unix socket', async () => {
  const path = join(stateFolder(), 'redis.sock');
  const server = await startedRedis({ args: ['--unixsocket', path] });
  const daemon = await works({ path }, server);
  expect(daemon.heard.of('redis:state')[0].address).toBe(path);
});

it('as an ACL user with a password that has to be escaped, in a database, by keys and by URL', async () => {
  const server = await startedRedis();
  await server.client.acl('SETUSER', 'writer', 'on', `>${PASSWORD}`, '~*', '+@all');
  await server.client.acl('SETUSER', 'default', 'off');
  await server.client.auth('writer', PASSWORD);
  await server.client.select(3);
  await works({ host: '127.0.0.1', port: server.port, username: 'writer', password: PASSWORD, db: 3 }, server);
  await server.client.del('aw:hotplug');
  await works({ url: `redis://writer:${encodeURIComponent(PASSWORD)}@127.0.0.1:${server.port}/3` }, server);
  expect(await refusal({ host: '127.0.0.1', port: server.port, username: 'writer', password: 'wrong' })).toMatch(/refuses (to log in|this user)/);
});
