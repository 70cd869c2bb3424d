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
const WRONG = 'wr0ng-s3cret';
const INFO = { vendorId: 0x046d, productId: 0xc077, location: { busNumber: 1, deviceAddress: 5 } };

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
  const consumer = openConsumer(redis);
  const seen = [];
  consumer.startConsuming(({ seq }) => seen.push(seq));
  await until(() => seen.length === 10, 'ten events');
  const publisher = openPublisher(redis);
  const id = await publisher.publishUSBEvent('attach', INFO);
  await until(() => seen.length === 11, 'the event of the publisher');
  const recent = await publisher.getRecentEvents(3);
  expect(recent.map(([first]) => first)).toEqual([id, expect.any(String), expect.any(String)]);
  holdsNoPassword([daemon.heard.all, daemon.getHealth(), consumer.told, recent]);
  // It would take events of the next one, which is of the same group.
  await consumer.stop();
  return daemon;
}

/** Why this connection cannot be had: all three say so, and none says a password. */
async function refusal(redis) {
  const daemon = openDaemon({ redis: { timeout_ms: 1000, ...redis } });
  await daemon.start();
  const [state] = await daemon.heard.waitFor('redis:state');
  expect(state.connected).toBe(false);
  const consumer = openConsumer(redis);
  consumer.startConsuming(() => {});
  await until(() => consumer.told.length > 0, 'the refusal to be told');
  expect(consumer.told[0].connected).toBe(false);
  const error = await openPublisher(redis).publishUSBEvent('attach', INFO).catch((error) => error);
  expect(error).toMatchObject({ code: 'ERR_USB_REDIS' });
  holdsNoPassword([daemon.heard.all, daemon.getHealth(), consumer.told, error.message, error.stack]);
  return state.reason;
}

function openConsumer(redis) {
  const consumer = new USBEventConsumer({ timeout_ms: 1000, ...redis }, 'group', 'one', { start_at: '0' });
  const told = [];
  consumer.on('redis:state', (state) => told.push(state));
  consumer.on('error', ({ message, stack }) => told.push({ message, stack }));
  onTestFinished(() => consumer.stop());
  return Object.assign(consumer, { told });
}

function openPublisher(redis) {
  const publisher = new USBEventPublisher({ timeout_ms: 1000, ...redis });
  onTestFinished(() => publisher.close());
  return publisher;
}

/** Neither as it is, nor a part of it, nor as a URL has it. */
function holdsNoPassword(said) {
  const text = JSON.stringify(said);
  expect(text).not.toBe('[]');
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), 'hunter2', WRONG]) expect(text).not.toContain(secret);
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

  it('works with our own authority and a client certificate, as files, as texts and as buffers', async () => {
    const { port, server } = await secured();
    const files = { ca: file('ca.pem'), cert: file('client.pem'), key: file('client.key') };
    await works({ host: 'localhost', port, tls: files }, server);
    await server.client.flushall();
    const texts = Object.fromEntries(Object.entries(files).map(([name, path]) => [name, readFileSync(path, 'utf8')]));
    await works({ url: `rediss://127.0.0.1:${port}`, tls: texts }, server);
    await server.client.flushall();
    const buffers = Object.fromEntries(Object.entries(files).map(([name, path]) => [name, readFileSync(path)]));
    await works({ host: 'localhost', port, tls: buffers }, server);
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
  expect(await refusal({ host: '127.0.0.1', port: server.port, username: 'writer', password: WRONG })).toMatch(/refuses (to log in|this user)/);
});
