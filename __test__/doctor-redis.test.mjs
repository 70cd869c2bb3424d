// `usb-daemon doctor` and servers that are healthy but far away, too far away, or not the ones to write to.

import { createServer, connect } from 'node:net';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { finished } from './command.mjs';
import { startRedis } from './redis-server.mjs';
import { until } from './until.mjs';

async function redis(options) {
  const server = await startRedis(options);
  onTestFinished(() => server.close());
  return server;
}

/** A network in front of the server: each packet takes so many ms, there and back; `stall` says which never comes back. */
async function distant(port, ms, stall = () => false) {
  const sockets = new Set();
  const proxy = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    let passes = true;
    for (const socket of [client, upstream]) sockets.add(socket.setNoDelay(true).on('error', () => {}));
    client.on('data', (packet) => {
      passes &&= !stall(packet);
      setTimeout(() => upstream.write(packet), ms);
    });
    upstream.on('data', (packet) => setTimeout(() => passes && client.write(packet), ms));
    client.on('close', () => upstream.end());
    upstream.on('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return proxy.address().port;
}

async function findings(args) {
  const begun = performance.now();
  const { code, stdout } = await finished(['doctor', '--json', ...args]);
  const found = stdout.map((line) => JSON.parse(line));
  return { code, found, of: (subject) => found.filter((finding) => finding.subject === subject), ms: performance.now() - begun };
}

const at = (port) => ['--redis-host', '127.0.0.1', '--redis-port', String(port)];

it('a server 75 ms away gets everything told that one nearby does', async () => {
  const server = await redis();
  const near = await findings(at(server.port));
  const far = await findings([...at(await distant(server.port, 75)), '--redis-maxlen', '1000']);
  expect(far.found.map(({ subject, grade }) => [subject, grade])).toEqual(near.found.map(({ subject, grade }) => [subject, grade]));
  expect(far.of('redis rights')[0].found).toBe('user "default" may do all that is needed');
  expect(far.code).toBe(0);
});

it('a server that answers, but not everything in time, is no failure and blames no system call', async () => {
  const server = await redis();
  const { code, found, of, ms } = await findings(at(await distant(server.port, 5, (packet) => packet.includes('DRYRUN'))));
  expect(of('redis').map(({ grade }) => grade)).toEqual(['ok', 'warn']);
  expect(of('redis')[1]).toMatchObject({ found: expect.stringMatching(/has not answered all within 1\.7 s/), advice: expect.stringContaining('redis.timeout_ms') });
  expect(JSON.stringify(found)).not.toContain('system call');
  expect(code).toBe(0);
  expect(ms, 'no question takes longer than 2 s').toBeLessThan(4000);
});

it('a read-only replica fails, and names its primary', async () => {
  const primary = await redis();
  const replica = await redis({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
  await until(async () => (await replica.client.info('replication')).includes('master_link_status:up'), 'the replica to follow');
  const { code, of } = await findings(['--redis-url', `redis://127.0.0.1:${replica.port}`]);
  expect(of('redis role')).toEqual([
    {
      subject: 'redis role',
      grade: 'fail',
      found: `it is a read-only replica of 127.0.0.1:${primary.port}: no event can be published`,
      advice: 'point redis.url (REDIS_URL) at the primary',
    },
  ]);
  expect(code).toBe(1);
  expect((await findings(at(primary.port))).of('redis role')).toEqual([]);
});
